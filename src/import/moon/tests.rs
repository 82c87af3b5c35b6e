//! What tasks of moon become.

use crate::import::Format;
use crate::import::tests::{imported, inputs, steps};

#[test]
fn tasks_of_projects_become_steps() {
    let app = "dependsOn: [lib]\nfileGroups: {app: ['src/**/*']}\ntasks:\n  build:\n    command: vite build\n    \
               deps: ['^:build', gen]\n    inputs: ['@group(app)', /tsconfig.json]\n    outputs: [dist]\n  \
               gen: {command: x, inputs: ['@group(none)']}\n  dev: {command: vite, local: true}\n";
    let files = [
        (".moon/workspace.yml", "projects: {web: apps/web, lib: libs/lib}\n"),
        (".moon/tasks.yml", "tasks: {lint: {command: eslint}}\n"),
        ("apps/web/moon.yml", app),
        ("libs/lib/moon.yml", "tasks: {build: {command: tsc}}\n"),
    ];
    let made = imported(Format::Moon, ".moon/workspace.yml", &files);
    assert_eq!(
        steps(&made),
        ["web-build: moon run web:build", "web-gen: moon run web:gen", "lib-build: moon run lib:build"]
    );
    assert!(inputs(&made, "web-build").is_empty(), "it waits for `^:build`");
    assert!(
        made.text.contains("needs: [lib-build, web-gen]") && made.text.contains("outputs: [apps/web/dist]"),
        "{}",
        made.text
    );
    for part in ["web:dev", "@group(none)", "inherited"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
    let alone = imported(Format::Moon, "apps/web/moon.yml", &files[2..]);
    assert_eq!(alone.steps, 2);
}

#[test]
fn what_is_said_for_all_projects_counts() {
    let app = "tasks:\n  build: {command: vite build, inputs: ['src/**/*'], deps: ['^:build']}\n  \
               pack: {command: x, inputs: [a, {file: cfg.json}]}\n  odd: {command: y, inputs: ['src/**', {project: lib}]}\n  \
               again: {extends: pack, inputs: [b]}\n  lint: {command: z, inputs: [c]}\n  live: {command: nodemon}\n";
    let tasks = "implicitInputs: ['/tsconfig.base.json']\ntasks: {lint: {command: eslint, inputs: ['/.eslintrc']}}\n";
    let files = [
        (".moon/tasks/node.yml", tasks),
        (".moon/workspace.yml", "projects: {app: apps/app}\n"),
        ("apps/app/moon.yml", app),
    ];
    let sources = crate::import::tests::repository(&files, |repo| Format::Moon.sources(repo));
    let made = imported(Format::Moon, &sources[0].to_string(), &files);
    let own = ["apps/app/a", "apps/app/cfg.json", "tsconfig.base.json", "apps/app/moon.yml", ".moon/**"];
    assert_eq!(inputs(&made, "app-pack"), own);
    let merged = [".eslintrc", "apps/app/c", "tsconfig.base.json", "apps/app/moon.yml", ".moon/**"];
    assert_eq!(inputs(&made, "app-lint"), merged);
    for id in ["app-build", "app-odd", "app-again"] {
        assert!(inputs(&made, id).is_empty(), "{id}: {}", made.text);
    }
    assert_eq!(made.steps, 5);
    for part in ["inherited tasks (.moon/tasks/node.yml)", "`project`", "`^` tasks", "app:live"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn a_workspace_in_a_folder_begins_there() {
    let app = "tasks:\n  build: {command: x, inputs: [src/**, /tsconfig.json, '!gen/**'], outputs: [dist]}\n";
    let files = [
        ("sub/.moon/workspace.yml", "projects: {app: apps/app}\n"),
        ("sub/apps/app/moon.yml", app),
        ("sub/apps/app/package.json", "{}"),
        ("sub/pnpm-lock.yaml", ""),
        ("sub/.prototools", ""),
        ("yarn.lock", ""),
    ];
    let expected = [
        "sub/apps/app/src/**",
        "sub/tsconfig.json",
        "!sub/apps/app/gen/**",
        "sub/apps/app/moon.yml",
        "sub/.moon/**",
        "sub/apps/app/package.json",
        "sub/pnpm-lock.yaml",
        "sub/.prototools",
    ];
    for source in ["sub/.moon/workspace.yml", "sub/apps/app/moon.yml"] {
        let made = imported(Format::Moon, source, &files);
        assert_eq!(inputs(&made, "app-build"), expected, "{source}");
        assert!(
            made.text.contains("dir: \"sub\"\n") && made.text.contains("outputs: [sub/apps/app/dist]"),
            "{}",
            made.text
        );
    }
}

#[test]
fn what_is_not_known_of_a_task_makes_it_watch_everything() {
    let app = "fileGroups: {src: [src/**], out: [dist]}\ntasks:\n  fine: {command: x, inputs: ['@group(src)', $MODE], outputs: ['@group(out)']}\n  \
               root: {command: x, inputs: [a, '@root(src)']}\n  variables: {command: x, inputs: [a, '$APP_*']}\n  \
               token: {command: x, inputs: [a, /cfg/$project.json]}\n  uri: {command: x, inputs: [a, 'project://lib']}\n  \
               late: {command: x, inputs: [a], deps: [local]}\n  local: {command: x, local: true, inputs: [b]}\n  \
               out: {command: x, inputs: [a], outputs: ['@group(gone)']}\n";
    let made = imported(Format::Moon, "app/moon.yml", &[(".moon/workspace.yml", ""), ("app/moon.yml", app)]);
    let own = ["app/moon.yml", ".moon/**"];
    assert_eq!(inputs(&made, "app-fine"), [&["app/src/**"][..], &own].concat());
    for id in ["root", "variables", "token", "uri", "late"] {
        let line = made.lost.iter().find(|line| line.contains("watches everything") && line.contains(id));
        assert!(
            inputs(&made, &format!("app-{id}")).is_empty() && line.is_some(),
            "{id}: {:?}\n{}",
            made.lost,
            made.text
        );
    }
    let step = |id: &str| made.text.split(&format!("id: {id}\n")).nth(1).unwrap().split("- id:").next().unwrap();
    assert!(step("app-fine").contains("outputs: [app/dist]") && step("app-fine").contains("cache: true"));
    assert!(!step("app-out").contains("cache: true"), "{}", made.text);
}

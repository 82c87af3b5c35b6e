//! What targets of nx become.

use crate::import::Format;
use crate::import::tests::{imported, inputs, steps};

#[test]
fn targets_become_steps() {
    let nx = "{\"namedInputs\": {\"sources\": [\"{projectRoot}/src/**/*\", \"!{projectRoot}/**/*.md\", \"{workspaceRoot}/x.json\"]},\n\
              \"targetDefaults\": {\"build\": {\"dependsOn\": [\"^build\"], \"inputs\": [\"sources\", \"^sources\"], \"outputs\": \
              [\"{projectRoot}/dist\"], \"cache\": true},\n\"lint\": {\"dependsOn\": [\"b:build\"], \"inputs\": [\"sources\", {\"env\": \"A\"}]}, \
              \"e2e\": {}, \"@nx/js:tsc\": {\"cache\": true}}}";
    let files = [
        ("nx.json", nx),
        ("libs/a/project.json", "{\"targets\": {\"build\": {}, \"lint\": {}}}"),
        ("package.json", "{\"workspaces\": [\"libs/*\"]}"),
        ("libs/a/package.json", "{}"),
        ("libs/b/package.json", "{\"scripts\": {\"build\": \"tsc\"}}"),
    ];
    let made = imported(Format::Nx, "nx.json", &files);
    assert_eq!(
        steps(&made),
        [
            "build: npx nx build --excludeTaskDependencies",
            "b-build: npx nx build --excludeTaskDependencies",
            "lint: npx nx lint --excludeTaskDependencies"
        ]
    );
    assert!(inputs(&made, "build").is_empty() && made.text.contains("outputs: [\"./dist\"]"), "{}", made.text);
    assert!(made.text.contains("needs: [b-build]"), "{}", made.text);
    assert_eq!(
        inputs(&made, "lint"),
        ["./src/**/*", "x.json", "!./**/*.md", "./project.json", "./package.json", "nx.json", "package.json"]
    );
    assert!(made.lost.iter().any(|line| line.contains("`e2e`")));
}

const NX: &str = "{\"namedInputs\": {\"default\": [\"{projectRoot}/**/*\"]}, \"targetDefaults\": {\"build\": {\"dependsOn\": [\"^build\"], \
    \"inputs\": [\"default\"], \"cache\": true}, \"lint\": {\"inputs\": [\"default\"], \"cache\": true}}}";

#[test]
fn what_projects_say_for_themselves_counts() {
    let app = "{\"name\": \"app\", \"targets\": {\"lint\": {\"inputs\": [\"{workspaceRoot}/rules/**\"], \"cache\": false}, \
               \"codegen\": {\"outputs\": [\"{projectRoot}/gen\"]}, \"serve\": {}, \"e2e\": {\"dependsOn\": [\"lib:build\"], \
               \"command\": \"playwright test\"}}}";
    let scripts = "{\"name\": \"x\", \"scripts\": {\"build\": \"tsc\", \"lint\": \"eslint\"}}";
    let odd =
        "{\"name\": \"odd\", \"scripts\": {\"build\": \"tsc\"}, \"nx\": {\"implicitDependencies\": [\"schema\"]}}";
    let files = [
        ("nx.json", NX),
        ("package.json", "{\"workspaces\": [\"*\"], \"scripts\": {\"lint\": \"eslint .\"}}"),
        ("app/project.json", app),
        ("app/package.json", scripts),
        ("lib/package.json", "{\"name\": \"lib\", \"scripts\": {\"build\": \"tsc\", \"lint\": \"x\"}}"),
        ("odd/package.json", odd),
    ];
    let made = imported(Format::Nx, "nx.json", &files);
    let nx = |id: &str, target: &str| format!("{id}: npx nx {target} --excludeTaskDependencies");
    let expected = [
        nx("build", "build"),
        nx("lib-build", "build"),
        "odd-build: npx nx build".into(),
        nx("lint", "lint"),
        nx("app-lint", "lint"),
        nx("app-codegen", "codegen"),
        nx("app-e2e", "e2e"),
    ];
    let mut found = steps(&made);
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected, "{}", made.text);
    assert_eq!(inputs(&made, "app-lint"), ["rules/**", "./project.json", "./package.json", "nx.json", "package.json"]);
    assert_eq!(inputs(&made, "odd-build"), ["**"]);
    let lint = made.text.split("id: app-lint").nth(1).unwrap();
    assert!(lint.contains("cache: false") && made.text.contains("needs: [lib-build]"), "{}", made.text);
    for part in ["the target `serve` (app/project.json:1)", "implicitDependencies"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn without_packages_nx_runs_dependencies_itself() {
    let files = [
        ("nx.json", NX),
        ("package.json", "{}"),
        ("libs/a/project.json", "{\"targets\": {\"build\": {}}}"),
        ("libs/a/src/i.ts", ""),
        ("libs/b/project.json", "{\"targets\": {\"build\": {}, \"lint\": {}}}"),
        ("libs/b/src/i.ts", ""),
    ];
    let made = imported(Format::Nx, "nx.json", &files);
    assert_eq!(steps(&made), ["build: npx nx build", "lint: npx nx lint --excludeTaskDependencies"]);
    assert_eq!(inputs(&made, "build"), ["**"]);
    assert!(made.text.contains("locks: [nx]") && !made.text.contains('^'), "{}", made.text);
}

const LIBS: [(&str, &str); 3] = [
    ("package.json", "{\"workspaces\": [\"libs/*\"]}"),
    (
        "libs/a/package.json",
        "{\"name\": \"a\", \"dependencies\": {\"b\": \"*\"}, \"scripts\": {\"build\": \"x\", \"lint\": \"y\"}}",
    ),
    ("libs/b/package.json", "{\"name\": \"b\", \"scripts\": {\"build\": \"x\", \"lint\": \"y\"}}"),
];

/// The packages above with this nx.json and more files.
fn made(nx: &str, more: &[(&str, &str)]) -> crate::import::Configuration {
    imported(Format::Nx, "nx.json", &[&LIBS[..], &[("nx.json", nx)], more].concat())
}

#[test]
fn what_nx_watches_for_every_target_counts() {
    let more = [
        ("libs/a/project.json", "{}"),
        ("pnpm-lock.yaml", ""),
        ("tsconfig.base.json", "{}"),
        (".gitignore", ""),
        (".nxignore", ""),
    ];
    let nx = "{\"targetDefaults\": {\"lint\": {\"inputs\": [\"{projectRoot}/src/**\"], \"cache\": true}}}";
    let expected = [
        "./src/**",
        "./project.json",
        "./package.json",
        "nx.json",
        "package.json",
        "pnpm-lock.yaml",
        "tsconfig.base.json",
        ".gitignore",
        ".nxignore",
    ];
    assert_eq!(inputs(&made(nx, &more), "lint"), expected);
}

#[test]
fn projects_that_import_by_paths_of_tsconfig_watch_everything() {
    let paths =
        |to: &str| format!("{{\"compilerOptions\": {{\"baseUrl\": \".\",\n\"paths\": {{\"@x/b\": [\"{to}\"]}}}}}}");
    for (name, to, known) in [
        ("tsconfig.base.json", "libs/b/src/index.ts", false),
        ("tsconfig.json", "libs/*", false),
        ("tsconfig.base.json", "../elsewhere", false),
        ("tsconfig.base.json", "shared/*", true),
    ] {
        let made = made(&NX.replace("\"default\"]", "\"default\", \"^default\"]"), &[(name, &paths(to))]);
        assert_eq!(inputs(&made, "build").is_empty(), known, "{to}\n{}", made.text);
        assert_eq!(made.text.contains("\"^build\""), known, "{to}");
        let told = format!("what projects depend on ({name}:2): projects import each other by its `paths`");
        assert_eq!(made.lost.iter().any(|line| line.contains(&told)), !known, "{:?}", made.lost);
    }
    // Packages that the workspace does not name are read by nobody.
    let root =
        [("package.json", "{\"workspaces\": [\"apps/*\"]}"), LIBS[1], ("libs/a/project.json", "{}"), ("nx.json", NX)];
    assert_eq!(inputs(&imported(Format::Nx, "nx.json", &root), "build"), ["**"]);
}

#[test]
fn inputs_that_are_objects() {
    let nx = |input: &str| {
        format!(
            "{{\"namedInputs\": {{\"src\": [\"{{projectRoot}}/src/**\"]}}, \"targetDefaults\": {{\"lint\": \
             {{\"cache\": true, \"inputs\": [\"{{projectRoot}}/x\",\n{input}]}}}}}}"
        )
    };
    let own = |first: &[&'static str]| [first, &["./package.json", "nx.json", "package.json"]].concat();
    for (input, expected) in [
        ("{\"fileset\": \"{projectRoot}/y\"}", own(&["./x", "./y"])),
        ("{\"input\": \"src\"}", own(&["./x", "./src/**"])),
        ("{\"input\": \"src\", \"projects\": \"self\"}", own(&["./x", "./src/**"])),
        ("{\"env\": \"A\"}", own(&["./x"])),
        ("{\"input\": \"src\", \"dependencies\": true}", vec![]),
        ("{\"input\": \"src\", \"projects\": \"dependencies\"}", vec![]),
        ("{\"externalDependencies\": [\"eslint\"]}", vec![]),
        ("{\"input\": \"src\", \"projects\": [\"b\"]}", vec!["**"]),
        ("{\"json\": \"{workspaceRoot}/package.json\", \"fields\": [\"a\"]}", vec!["**"]),
        ("{\"fileset\": \"{projectRoot}/y\", \"new\": 1}", vec!["**"]),
    ] {
        let made = made(&nx(input), &[]);
        assert_eq!(inputs(&made, "lint"), expected, "{input}");
        let told = made.lost.iter().any(|line| line.contains("(nx.json:2)") && line.contains("watches everything"));
        assert_eq!(told, expected == ["**"], "{input}: {:?}", made.lost);
    }
}

#[test]
fn a_workspace_in_a_folder_begins_there() {
    let nx = "{\"targetDefaults\": {\"lint\": {\"inputs\": [\"{projectRoot}/src/**\", \"{workspaceRoot}/rules/**\"]}}}";
    let files = [
        ("web/nx.json", nx),
        ("web/package.json", "{\"workspaces\": [\"libs/*\"], \"nx\": {}, \"scripts\": {\"lint\": \"x\"}}"),
        ("web/yarn.lock", ""),
        ("web/libs/a/package.json", "{\"name\": \"a\", \"scripts\": {\"lint\": \"x\"}}"),
        ("web/libs/a/fix/package.json", "{\"name\": \"fix\", \"scripts\": {\"lint\": \"x\"}}"),
        ("other/package.json", "{\"name\": \"b\", \"scripts\": {\"lint\": \"x\"}}"),
        ("pnpm-lock.yaml", ""),
    ];
    let made = imported(Format::Nx, "web/nx.json", &files);
    let shared = ["web/nx.json", "web/package.json", "web/yarn.lock"];
    let own = ["./src/**", "web/rules/**", "./package.json"];
    assert_eq!(inputs(&made, "lint"), [&own[..], &shared].concat());
    assert_eq!(inputs(&made, "web-lint"), [&own[..], &shared].concat());
    assert!(made.text.contains("for_each: [web/libs/a]\n") && made.text.contains("dir: \"web\"\n"), "{}", made.text);
}

#[test]
fn outputs_that_nobody_knows_are_not_kept() {
    let nx = |more: &str| format!("{{\"targetDefaults\": {{\"build\": {{\"cache\": true{more}}}}}}}");
    for (outputs, kept) in [
        (", \"outputs\": [\"{projectRoot}/dist\"]", true),
        (", \"outputs\": []", true),
        (", \"outputs\": [\"{options.outputPath}\"]", false),
        (", \"outputs\": [\"{workspaceRoot}/dist/{projectRoot}\"]", false),
        ("", false),
    ] {
        assert_eq!(made(&nx(outputs), &[]).text.contains("cache: true"), kept, "{outputs}");
    }
}

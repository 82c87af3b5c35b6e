//! What tasks of turbo become.

use crate::import::Format;
use crate::import::tests::{imported, inputs, steps};

#[test]
fn tasks_become_steps_of_the_packages_that_have_them() {
    let turbo = "{ // words\n\"globalEnv\": [\"CI_X\"], \"tasks\": {\n\"build\": {\"dependsOn\": [\"^build\"], \"outputs\": [\"dist/**\", \
                 \"!dist/cache/**\"]},\n\"test\": {\"dependsOn\": [\"build\", \"gen\"], \"inputs\": [\"src/**\", \"$TURBO_ROOT$/tsconfig.json\"], \
                 \"env\": [\"A\", \"NEXT_*\"]},\n\"dev\": {\"persistent\": true},\n\"gen\": {\"dependsOn\": [\"^build\"]},\n\
                 \"//#lint\": {\"cache\": false},\n}}";
    let member =
        "{\"name\": \"a\", \"scripts\": {\"build\": \"tsc\", \"test\": \"x\"}, \"devDependencies\": {\"vite\": \"*\"}}";
    let files = [
        ("turbo.json", turbo),
        ("package.json", "{\"workspaces\": [\"p/*\"], \"scripts\": {\"lint\": \"eslint .\"}}"),
        ("p/a/package.json", member),
        ("p/b/package.json", "{\"scripts\": {\"build\": \"tsc\"}}"),
    ];
    let made = imported(Format::Turbo, "turbo.json", &files);
    assert_eq!(steps(&made), ["build: npm run build", "test: npm run test", "lint: npm run lint"]);
    for part in [
        "for_each: [p/a, p/b]",
        "needs: [\"^build\"]",
        "needs: [build, \"^build\"]",
        "outputs: [\"./dist/**\", \"!./dist/cache/**\"]",
        "cache: true",
    ] {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
    for part in ["`dev`", "`gen`", "NEXT_*", "variables `VITE_*`"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
    let nested = imported(Format::Turbo, "p/a/turbo.json", &[("p/a/turbo.json", "{\"extends\": [\"//\"]}")]);
    assert_eq!(nested.steps, 0);
}

#[test]
fn what_packages_say_for_themselves_counts() {
    let turbo = "{\"globalDependencies\": [\"config/**\"], \"tasks\": {\"build\": {\"dependsOn\": [\"^build\"], \"outputs\": [\"dist/**\"]},\n\
                 \"test\": {\"dependsOn\": [\"tools#build\"], \"inputs\": [\"src/**\"]},\n\"transit\": {\"dependsOn\": [\"^transit\"]},\n\
                 \"lint\": {\"dependsOn\": [\"transit\"], \"inputs\": [\"src/**\"]},\n\
                 \"far\": {\"inputs\": [\"$TURBO_DEFAULT$\", \"../lib/x\"]}, \"watch\": {}}}";
    let own = "{\"extends\": [\"//\"], \"tasks\": {\"build\": {\"outputs\": [\"lib/**\", \"$TURBO_EXTENDS$\"], \"cache\": false, \
               \"dependsOn\": [\"codegen\", \"^build\"]}, \"codegen\": {}}}";
    let app = "{\"name\": \"app\", \"scripts\": {\"build\": \"tsc\", \"test\": \"x\", \"codegen\": \"y\", \"lint\": \"z\", \
               \"far\": \"x\", \"watch\": \"x\"}, \"dependencies\": {\"lib\": \"*\"}}";
    let files = [
        ("turbo.json", turbo),
        ("package.json", "{\"workspaces\": [\"p/*\"]}"),
        ("p/app/package.json", app),
        ("p/app/turbo.json", own),
        ("p/lib/package.json", "{\"name\": \"lib\", \"scripts\": {\"build\": \"tsc\", \"lint\": \"eslint --fix .\"}}"),
        ("p/tools/package.json", "{\"name\": \"tools\", \"scripts\": {\"build\": \"tsc\"}}"),
    ];
    let made = imported(Format::Turbo, "turbo.json", &files);
    let expected = [
        "build: npm run build",
        "test: npm run test",
        "lint: npm run lint",
        "far: npm run far",
        "app-build: npm run build",
        "app-codegen: npm run codegen",
        "tools-build: npm run build",
    ];
    assert_eq!(steps(&made), expected);
    let step =
        |id: &str| made.text.split(&format!("id: {id}\n")).nth(1).unwrap().split("- id:").next().unwrap().to_owned();
    let app_build = step("app-build");
    for part in [
        "for_each: [p/app]",
        "needs: [app-codegen, \"^build\", \"^tools-build\"]",
        "outputs: [\"./lib/**\", \"./dist/**\"]",
    ] {
        assert!(app_build.contains(part), "{part}\n{}", made.text);
    }
    assert!(!app_build.contains("cache: true"), "{}", made.text);
    // Whoever builds waits for the builds that packages say for themselves, too.
    assert!(step("build").contains("needs: [\"^build\", \"^app-build\", \"^tools-build\"]"), "{}", made.text);
    assert!(step("test").contains("needs: [tools-build]") && step("test").contains("./src/**"), "{}", made.text);
    // Files of packages without such a task count, too: it watches what an instance does by itself.
    assert!(inputs(&made, "lint").is_empty() && inputs(&made, "far") == ["**"], "{}", made.text);
    for part in
        ["`lint` (turbo.json:4): it edits files in p/lib", "`watch`", "`transit`", "the inputs of the task `far`"]
    {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn a_workspace_in_a_folder_begins_there() {
    let turbo = "{\"globalDependencies\": [\"config/**\"], \"tasks\": {\
                 \"test\": {\"inputs\": [\"src/**\", \"$TURBO_ROOT$/tsconfig.json\", \"!src/gen/**\"]},\n\
                 \"build\": {}, \"//#lint\": {\"inputs\": [\"tools/**\"], \"outputs\": [\"!out/tmp/**\", \"out/**\"]}}}";
    let files = [
        ("web/turbo.json", turbo),
        ("web/package.json", "{\"workspaces\": [\"p/*\"], \"scripts\": {\"lint\": \"eslint .\"}}"),
        ("web/bun.lockb", ""),
        ("web/p/a/package.json", "{\"name\": \"a\", \"scripts\": {\"test\": \"x\", \"build\": \"tsc\"}}"),
        ("web/p/a/test/fix/package.json", "{\"name\": \"f\", \"scripts\": {\"test\": \"x\", \"build\": \"tsc\"}}"),
        ("yarn.lock", ""),
        ("package.json", "{}"),
    ];
    let made = imported(Format::Turbo, "web/turbo.json", &files);
    assert_eq!(steps(&made), ["test: bun run test", "build: bun run build", "lint: bun run lint"]);
    let shared = ["web/package.json", "web/bun.lockb", "web/turbo.json", "web/config/**"];
    let own = ["./src/**", "web/tsconfig.json", "!./src/gen/**", "./package.json"];
    assert_eq!(inputs(&made, "test"), [&own[..], &shared].concat());
    assert_eq!(inputs(&made, "lint"), [&["web/tools/**", "web/package.json"][..], &shared[1..]].concat());
    assert!(made.text.contains("for_each: [web/p/a]\n") && made.text.contains("dir: \"web\"\n"), "{}", made.text);
    assert!(made.text.contains("outputs: [\"web/out/**\", \"!web/out/tmp/**\"]"), "{}", made.text);
}

/// What each task watches, in a workspace of `app`, which depends on `lib`, and `tools`; none for what an instance does by itself.
fn watched(tasks: &str, root: &str, more: &[(&str, &str)]) -> crate::import::Configuration {
    let turbo = format!("{{\"tasks\": {tasks}}}");
    let top = format!("{{\"workspaces\": [\"p/*\"], {root}}}");
    let app = "{\"name\": \"app\", \"scripts\": {\"test\": \"x\", \"build\": \"tsc\", \"fmt\": \"prettier --write .\"}, \
               \"dependencies\": {\"lib\": \"*\"}}";
    let mut files = vec![
        ("turbo.json", turbo.as_str()),
        ("package.json", top.as_str()),
        ("p/app/package.json", app),
        ("p/lib/package.json", "{\"name\": \"lib\", \"scripts\": {\"build\": \"tsc\"}}"),
        ("p/tools/package.json", "{\"name\": \"tools\", \"scripts\": {\"gen\": \"x\"}}"),
    ];
    files.extend(more);
    imported(Format::Turbo, "turbo.json", &files)
}

#[test]
fn tasks_that_are_no_steps_count_with_all_files_of_their_package() {
    let made = |tasks: &str| watched(tasks, "\"name\": \"top\"", &[]);
    let build = "\"build\": {}";
    let step = |depends: &str| format!("{{{build}, \"test\": {{\"dependsOn\": [{depends}], \"inputs\": [\"src/**\"]}}");
    // The build of its own package is a step, and watches for it.
    assert_eq!(inputs(&made(&(step("\"build\"") + "}")), "test")[0], "./src/**");
    for (depends, more) in [
        // app has no such script, or one that is no step.
        ("\"gen\"", ", \"gen\": {}}"),
        ("\"fmt\"", ", \"fmt\": {}}"),
        ("\"serve\"", ", \"serve\": {\"persistent\": true}}"),
    ] {
        let made = made(&(step(depends) + more));
        assert!(inputs(&made, "test").is_empty(), "{depends}\n{}", made.text);
    }
    // One package's task that is no step: no instance watches its files.
    let far = made(&(step("\"lib#fmt\"") + ", \"lib#fmt\": {}}"));
    assert!(inputs(&far, "test") == ["**"] && far.text.contains("cache: false"), "{}", far.text);
    assert!(far.lost.iter().any(|line| line.contains("waits for a task of another package")), "{:?}", far.lost);
    assert_eq!(inputs(&made(&(step("\"tools#gen\"") + ", \"gen\": {}}")), "test")[0], "./src/**");
}

#[test]
fn packages_that_the_root_depends_on_count_for_every_task() {
    let root = "\"devDependencies\": {\"lib\": \"workspace:*\", \"left-pad\": \"1\"}";
    let tasks = "{\"build\": {\"dependsOn\": [\"^build\"]}, \"test\": {\"inputs\": [\"src/**\"]}, \"gen\": {}}";
    let made = watched(tasks, root, &[]);
    // No instance is in its folder, and so all watch it.
    let expected = ["build: npm run build", "test: npm run test", "gen: npm run gen", "lib-build: npm run build"];
    assert_eq!(steps(&made), expected);
    assert!(made.text.contains("dir: \"p/lib\"\n") && !made.text.contains("for_each: [p/lib]"), "{}", made.text);
    assert!(made.text.contains("needs: [\"^build\", lib-build]"), "{}", made.text);
    for id in ["build", "gen", "lib-build"] {
        assert!(inputs(&made, id).is_empty(), "{id}: {}", made.text);
    }
    assert_eq!(inputs(&made, "test"), ["./src/**", "./package.json", "package.json", "turbo.json", "p/lib/**"]);
    // Unless another source has instances there.
    let files = [
        ("turbo.json", "{\"tasks\": {\"test\": {}}}"),
        ("package.json", "{\"workspaces\": [\"p/*\"], \"devDependencies\": {\"lib\": \"*\"}}"),
        ("p/app/package.json", "{\"name\": \"app\", \"scripts\": {\"test\": \"x\"}}"),
        ("p/lib/package.json", "{\"name\": \"lib\", \"scripts\": {\"test\": \"x\"}}"),
    ];
    let sources = [(Format::Turbo, "turbo.json".into()), (Format::Scripts, "package.json".into())];
    let both = crate::import::tests::repository(&files, |repo| crate::import::import(&sources, repo));
    assert_eq!(inputs(&both, "test"), ["**"]);
    assert!(
        both.lost.iter().any(|line| line.contains("`p/lib/**` is in the folder of an instance")),
        "{:?}",
        both.lost
    );
}

#[test]
fn what_the_root_depends_on_waits_for_its_own_alone() {
    let files = [
        ("turbo.json", "{\"tasks\": {\"build\": {\"dependsOn\": [\"^build\"]}}}"),
        ("package.json", "{\"workspaces\": [\"p/*\"], \"devDependencies\": {\"a\": \"*\"}}"),
        ("p/a/package.json", "{\"name\": \"a\", \"scripts\": {\"build\": \"x\"}, \"dependencies\": {\"b\": \"*\"}}"),
        ("p/b/package.json", "{\"name\": \"b\", \"scripts\": {\"build\": \"x\"}}"),
        ("p/c/package.json", "{\"name\": \"c\", \"scripts\": {\"build\": \"x\"}}"),
    ];
    let made = imported(Format::Turbo, "turbo.json", &files);
    let step = |id: &str| made.text.split(&format!("id: {id}\n")).nth(1).unwrap().split("- id:").next().unwrap();
    assert!(step("a-build").contains("needs: [b-build]"), "{}", made.text);
    assert!(!step("b-build").contains("needs"), "{}", made.text);
    assert!(step("build").contains("needs: [\"^build\", a-build, b-build]"), "{}", made.text);
    assert!(!made.lost.iter().any(|line| line.contains("ring")), "{:?}", made.lost);
}

#[test]
fn files_of_packages_count_and_what_they_extend() {
    let own = "{\"extends\": [\"//\"], \"tasks\": {\"test\": {\"inputs\": [\"x/**\"]}}}";
    let made = watched("{\"test\": {}}", "\"name\": \"top\"", &[("p/app/turbo.json", own)]);
    let expected = ["./x/**", "./package.json", "p/app/turbo.json", "package.json", "turbo.json"];
    assert_eq!(inputs(&made, "app-test"), expected);
    let more = own.replace("\"//\"", "\"//\", \"lib\"");
    let made = watched("{\"test\": {}}", "\"name\": \"top\"", &[("p/app/turbo.json", &more)]);
    assert_eq!(inputs(&made, "test"), ["**"]);
    assert!(made.lost.iter().any(|line| line.contains("extends more")), "{:?}", made.lost);
}

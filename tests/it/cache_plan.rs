//! What `wf plan` and `wf explain` expect the cache to say: called a prediction, made by looking alone, and kept by the run.

use super::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const STEPS: &str = "
steps:
  - {id: build, run: 'mkdir -p dist; cat src/a.rs > dist/out', inputs: [src/], outputs: [dist/], env: {LEVEL: null}}
  - {id: test, run: 'cat dist/out', inputs: [docs/], needs: [build]}
  - {id: loose, run: 'true'}
";

fn world(config: &str) -> World {
    let world = World::topic(config);
    world.write(".gitignore", "dist\n").commit("ignore");
    world
}

fn document(world: &World, env: &[(&str, &str)], args: &[&str]) -> Value {
    serde_json::from_str(&world.wf_env(env, args).passed().out).unwrap()
}

/// What `wf plan --json` says of each step's result, by id.
fn predicted(world: &World, env: &[(&str, &str)], args: &[&str]) -> BTreeMap<String, Value> {
    let plan = document(world, env, &[&["plan", "--all", "--json"], args].concat());
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["id"].as_str().unwrap().to_owned(), step["cache"].clone())).collect()
}

fn word(told: &Value) -> &str {
    told["predicted"].as_str().unwrap_or("nothing")
}

/// Every file below the repository and the person's own folder, but for git's, with its content and when it was written.
fn everything(world: &World) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let files = walkdir::WalkDir::new(world.root.parent().unwrap()).into_iter().map(Result::unwrap);
    let files = files.filter(|file| !file.path().components().any(|part| part.as_os_str() == ".git"));
    let look = |file: walkdir::DirEntry| {
        let bytes = if file.file_type().is_file() { std::fs::read(file.path()).unwrap() } else { vec![] };
        (file.path().display().to_string(), (bytes, file.metadata().unwrap().modified().unwrap()))
    };
    files.map(look).collect()
}

#[test]
fn a_hit_is_predicted_after_a_run_and_marked_as_a_prediction() {
    let world = world(STEPS);
    let said = world.wf(&["plan", "--all"]).passed().says("cache   nothing is stored yet");
    assert!(!said.out.contains("predicted"), "{}", said.out);
    assert_eq!(word(&predicted(&world, &[], &[])["build"]), "miss");
    let _ = world.wf(&["run", "--all"]).passed();
    let said = world.wf(&["plan", "--all"]).passed();
    let said = said.says("run   build  smart execution is off [predicted: would be reused, saves 0.");
    let said = said.says("3 to run, 0 skipped; predicted: 2 of them would be reused, which saves 0.");
    assert!(said.out.lines().any(|line| line.ends_with("loose  smart execution is off")), "{}", said.out);
    let _ = world
        .wf(&["plan", "--all", "--verbose"])
        .passed()
        .says("[not cached: it declares no inputs, or says `cache: false`]");
    assert_eq!(said.out, world.wf(&["run", "--all", "--dry-run"]).passed().out);
}

#[test]
fn the_document_says_what_is_predicted_and_why() {
    let world = world(STEPS);
    let _ = world.wf(&["run", "--all"]).passed();
    world.write("src/a.rs", "b\n");
    let plan = document(&world, &[], &["plan", "--all", "--json"]);
    assert_eq!(plan["format"], 1);
    let cache = serde_json::json!({"asked": true, "empty": false, "predicted_hits": 0, "predicted_saved_ms": 0});
    assert_eq!(plan["cache"], cache);
    let told = predicted(&world, &[], &[]);
    let build = &told["build"];
    assert_eq!((word(build), &build["miss"]), ("miss", &"changed".into()));
    assert_eq!(build["changes"], serde_json::json!([{"field": "file", "how": "changed", "name": "src/a.rs"}]));
    assert_eq!(build["key"].as_str().map(str::len), Some(64));
    let run = world.events_of("run-started")[0]["run"].clone();
    assert_eq!(build["against"]["run"], run);
    assert_eq!(told["test"], serde_json::json!({"predicted": "unknown", "why": "need", "step": "build"}));
    assert_eq!(told["loose"]["predicted"], "not-cached");
    assert_eq!(told["loose"]["why"], "not-asked");
    world.write("src/a.rs", "a\n");
    let told = predicted(&world, &[], &[]);
    assert_eq!((word(&told["build"]), &told["build"]["run"]), ("hit", &run));
    assert!(told["test"]["saved_ms"].is_u64());
}

#[test]
fn a_predicted_miss_says_what_differs() {
    let world = world(STEPS);
    let _ = world.wf(&["run", "--all"]).passed();
    let plan = |env: &[(&str, &str)]| world.wf_env(env, &["plan", "--all"]).passed();
    let _ = plan(&[("LEVEL", "2")]).says("[predicted: miss: LEVEL was unset]");
    world.write("src/a.rs", "b\n").write("docs/new.md", "x\n");
    let _ = plan(&[("LEVEL", "2")])
        .says("[predicted: miss: LEVEL was unset, src/a.rs changed]")
        .says("[not predictable: build, which it needs, has to run first]");
    world.write("src/a.rs", "a\n");
    let _ = plan(&[]).says("[predicted: would be reused").says("[predicted: miss: docs/new.md is new]");
}

#[test]
fn tools_are_taken_at_what_they_said_last_and_never_asked() {
    const PROBE: &str = "tools: ['sh ../probe']";
    let steps = |more: &str| format!("steps: [{{id: s, run: 'true', inputs: [src/]{more}}}]");
    let world = world(&steps(""));
    let plan = |words: &str| {
        let _ = world.wf(&["plan", "--all"]).passed().says(words);
    };
    world.write("../version", "1").write("../probe", "echo asked >> ../asked; cat ../version");
    let _ = world.wf(&["run", "--all"]).passed();
    world.write(".workflow-config.yaml", steps(&format!(", {PROBE}")));
    plan("[not predictable: no run has asked `sh ../probe` yet]");
    let _ = world.wf(&["explain", "s", "--all"]).passed().says("not predictable: no run has asked");
    assert!(!world.exists("../asked"), "a plan asks nobody");
    let _ = world.wf(&["run", "--all"]).passed();
    plan("[predicted: would be reused");
    world.write("../version", "2");
    plan("[predicted: would be reused");
    let _ = world.wf(&["run", "--all"]).passed().says("says something else");
    world.write("../version", "1");
    plan("[predicted: would be reused");
    let _ = world.wf(&["run", "--all"]).passed().says("1 cached");
    plan("[predicted: would be reused");
    world.remove("../version");
    let _ = world.wf(&["run", "--all"]).passed();
    plan("[not cached: `sh ../probe` says no version");
    let _ = world.wf(&["cache", "clear"]).passed();
    assert_eq!(world.read("../asked").lines().count(), 4, "once in each run with a probe, and never for a plan");
}

#[test]
fn looking_writes_nothing() {
    let world = world(
        "
secrets: [LICENCE]
steps:
  - {id: build, run: 'mkdir -p dist; cat src/a.rs > dist/out', inputs: [src/], outputs: [dist/]}
  - {id: sealed, run: 'true', inputs: [docs/], env: {LICENCE: {in_key: true}}}
",
    );
    let home = world.outside("home/config").display().to_string();
    let env = [("LICENCE", "abcdefgh-ijkl"), ("XDG_CONFIG_HOME", &*home)];
    let look = || {
        let before = everything(&world);
        for args in [&["plan"][..], &["plan", "--all", "--json"], &["run", "--dry-run"], &["explain", "build"]] {
            let _ = world.wf_env(&env, args).passed();
        }
        assert_eq!(before, everything(&world));
    };
    look();
    let _ = world.wf(&["run", "--all", "--steps", "build"]).passed();
    world.write("src/a.rs", "new\n");
    look();
    let sealed = &predicted(&world, &env, &[])["sealed"];
    assert_eq!((word(sealed), &sealed["why"]), ("unknown", &"no-seal".into()));
    let _ = world.wf_env(&env, &["run", "--all"]).passed();
    assert_eq!(word(&predicted(&world, &env, &[])["sealed"]), "hit");
    assert_eq!(word(&predicted(&world, &[env[1], ("LICENCE", "another-value")], &[])["sealed"]), "miss");
    // What is damaged is left as it is, for those who come to mend it.
    for blob in world.files_below(".wf/cache/cas") {
        std::fs::write(world.path(&blob), "broken").unwrap();
    }
    world.write("src/a.rs", "newer\n");
    look();
    std::fs::write(world.path(".wf/cache/actions"), "nonsense").unwrap();
    look();
    let _ = world.wf(&["plan", "--all"]).passed().says("note    ");
}

#[test]
fn what_is_too_much_to_be_read_for_a_plan_is_unknown() {
    let world = world(STEPS);
    let _ = world.wf(&["run", "--all"]).passed();
    let big = std::fs::File::create(world.path("src/big")).unwrap();
    big.set_len(65 << 20).unwrap();
    let told = predicted(&world, &[], &[]);
    assert_eq!((word(&told["build"]), &told["build"]["why"]), ("unknown", &"not-read".into()));
    assert_eq!(told["test"]["why"], "need");
    world.write("docs/guide.md", "more\n");
    let _ = world.wf(&["plan", "--all"]).passed().says("[not predictable: the files it watches were not read yet");
    big.set_len(1 << 20).unwrap();
    let _ = world.wf(&["plan", "--all"]).passed().says("[predicted: miss: src/big is new]");
}

#[test]
fn a_plan_asks_the_cache_as_a_run_does() {
    let world = world(
        "
steps:
  - {id: s, run: 'true', inputs: [src/]}
  - {id: never, run: 'true', inputs: [src/], cache: false}
  - {id: hidden, run: 'true', inputs: [.env, src/]}
  - {id: user, run: 'true', inputs: [docs/], needs: [hidden]}
  - {id: last, run: 'true', inputs: [src/], run_on: always, after: [s]}
",
    );
    world.write(".gitignore", "dist\n.env\n").write(".env", "A=1\n");
    let words = |args: &[&str]| {
        let told = predicted(&world, &[], args);
        let words = told.iter().map(|(id, told)| {
            let why = told["miss"].as_str().or(told["why"].as_str()).unwrap_or_default();
            format!("{id} {} {why}", word(told)).trim().to_owned()
        });
        words.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        words(&[]),
        "hidden not-cached ignored, last not-cached kind, never not-cached not-asked, s miss never, user miss never"
    );
    let _ = world.wf(&["run", "--all"]).passed();
    let rest = "last not-cached kind, never not-cached not-asked";
    assert_eq!(words(&[]), format!("hidden not-cached ignored, {rest}, s hit, user not-cached need"));
    assert_eq!(words(&["--cache", "read"]), words(&[]));
    assert!(words(&["--cache", "write"]).contains("s miss off"), "{}", words(&["--cache", "write"]));
    for off in [&["--no-cache"][..], &["--optimized=false"], &["--steps", "s", "--no-needs"]] {
        assert!(!words(off).contains("hit") && words(off).contains("s nothing"), "{}", words(off));
        let said = world.wf(&[&["plan", "--all"], off].concat()).passed();
        assert!(!said.out.contains("predicted"), "{}", said.out);
    }
    let _ = world.wf(&["explain", "s", "--no-cache"]).passed().says("a run like this does not ask it");
    let _ = world.wf(&["explain", "last", "--all"]).passed().says("not cached: it acts on the world outside");
}

#[test]
fn what_an_editing_step_leaves_cannot_be_told_before_it_ran() {
    let world = world(
        "
steps:
  - {id: format, run: 'echo tidy > src/a.rs', writes: [src/], inputs: [src/]}
  - {id: test, run: 'cat src/a.rs', inputs: [src/], after: [format]}
  - {id: first, run: 'cat src/a.rs', inputs: [src/]}
  - {id: before, run: 'cat docs/guide.md', inputs: [docs/]}
",
    );
    let _ = world.wf(&["run", "--all"]).passed();
    let _ = world.wf(&["run", "--all"]).passed();
    let words = || predicted(&world, &[], &[]).values().map(|told| word(told).to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(words(), "hit hit hit hit");
    world.write("src/a.rs", "other\n");
    // before, first, format, test
    assert_eq!(words(), "hit unknown miss unknown");
    let _ = world.wf(&["plan", "--all"]).passed().says("[not predictable: format may edit what it watches]");
}

#[test]
fn explain_names_every_difference() {
    let world = world(STEPS);
    let _ = world.wf(&["run", "--all"]).passed();
    let run = world.events_of("run-started")[0]["run"].as_str().unwrap().to_owned();
    let _ = world.wf(&["explain", "build", "--all"]).passed().says("predicted: would be reused, saves 0.").says(&run);
    for name in ["b", "c", "d", "e"] {
        world.write(format!("src/{name}.rs"), "x\n");
    }
    world.write("src/a.rs", "b\n");
    let said = world.wf_env(&[("LEVEL", "1")], &["explain", "build", "--all"]).passed();
    let told = said.out.split("the cache\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let told: Vec<&str> = told.lines().map(str::trim).collect();
    assert_eq!(told[0], format!("predicted: miss; since its newest result, of run {run}:"));
    let files = ["src/a.rs changed", "src/b.rs is new", "src/c.rs is new", "src/d.rs is new", "src/e.rs is new"];
    assert_eq!(told[1..7], [&["LEVEL was unset"], &files[..]].concat());
    let json = document(&world, &[("LEVEL", "1")], &["explain", "build", "--all", "--json"]);
    assert_eq!((word(&json["cache"]), json["cache"]["changes"].as_array().unwrap().len()), ("miss", 6));
    assert_eq!((&json["cache"]["more"], &json["cache"]["against"]["run"]), (&0.into(), &run.into()));
    let inline = world.wf_env(&[("LEVEL", "1")], &["plan", "--all"]).passed();
    let _ = inline.says("[predicted: miss: LEVEL was unset, src/a.rs changed, src/b.rs is new and 3 more]");
    let _ = world.wf(&["explain", "test", "--all"]).passed().says("build, which it needs, has to run first");
    let _ = world.wf(&["explain", "loose", "--all"]).passed().says("not cached: it declares no inputs");
}

#[test]
fn explain_tells_of_a_skipped_step_what_would_be_if_it_ran() {
    let world = world(STEPS);
    let _ = world.wf(&["run", "--all"]).passed();
    world.git(&["switch", "--quiet", "main"]);
    world.git(&["merge", "--quiet", "topic"]);
    world.git(&["switch", "--quiet", "topic"]);
    world.write("docs/guide.md", "more\n");
    let said = world.wf(&["explain", "build", "--steps", "test"]).passed();
    let _ = said.says("the cache").says("predicted: would be reused");
    let said = world.wf(&["explain", "test", "--steps", "build"]).passed();
    let _ = said.says("is skipped").says("if it ran: predicted: miss").says("docs/guide.md changed");
}

#[test]
fn an_interrupted_run_is_predicted_to_be_gone_on_from() {
    let world = world("steps: [{id: s, run: 'true'}, {id: t, run: 'test -e ../go', after: [s]}]");
    let _ = world.wf(&["run", "--all"]).exits(1);
    let told = predicted(&world, &[], &["--resume"]);
    assert_eq!((word(&told["s"]), &told["s"]["resumed"]), ("hit", &true.into()));
    assert_eq!(word(&told["t"]), "not-cached");
    let _ =
        world.wf(&["plan", "--all", "--resume"]).passed().says("would be reused, from the run that was interrupted");
    assert_eq!(word(&predicted(&world, &[], &[])["s"]), "not-cached");
}

/// Chance that is the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Whatever is edited: what is predicted to be reused is reused, what is predicted to run runs.
#[test]
fn a_run_keeps_what_the_plan_predicted() {
    let world = world(
        "
steps:
  - {id: build, run: 'mkdir -p dist; cat src/*.rs > dist/out', inputs: [src/], outputs: [dist/], env: {LEVEL: null}}
  - {id: test, run: 'cat dist/out', inputs: [docs/], needs: [build]}
  - {id: tidy, run: 'cat lib/x > lib/.x; mv lib/.x lib/x', inputs: [lib/], writes: [lib/]}
  - {id: lint, run: 'cat lib/x', inputs: [lib/], after: [tidy], tools: ['cat ../version']}
  - {id: chain, run: 'true', inputs: [docs/], needs: [lint]}
  - {id: fails, run: 'test ! -e src/bad.rs', inputs: [src/], allow_failure: true}
  - {id: local, run: 'true', inputs: [.env, src/]}
  - {id: user, run: 'true', inputs: [src/], needs: [local]}
  - {id: loose, run: 'true'}
  - {id: heir, run: 'true', inputs: [docs/], needs: [loose]}
",
    );
    world.write(".gitignore", "dist\n.env\n").write(".env", "A=1\n").write("lib/x", "x\n").write("../version", "1");
    let mut dice = Dice(7);
    let (mut level, mut seen) = (None, BTreeMap::new());
    for round in 0..24 {
        let text = format!("{}\n", dice.next(2));
        let file = |path: &str| {
            world.write(path, &text);
        };
        match if round == 0 { 9 } else { dice.next(8) } {
            0 | 1 => file("src/a.rs"),
            2 => file("docs/guide.md"),
            3 => file("lib/x"),
            4 => level = [None, Some("1"), Some("")][dice.next(3) as usize],
            5 => std::fs::remove_dir_all(world.path("dist")).unwrap_or_default(),
            6 if world.exists("src/bad.rs") => std::fs::remove_file(world.path("src/bad.rs")).unwrap(),
            6 => file("src/bad.rs"),
            7 => {
                world.chmod("docs/guide.md", if dice.next(2) == 0 { 0o644 } else { 0o755 });
            }
            _ => {}
        }
        let env: Vec<(&str, &str)> = level.iter().map(|level| ("LEVEL", *level)).collect();
        let told = predicted(&world, &env, &[]);
        let _ = world.wf_env(&env, &["run", "--all"]).passed();
        let ids = |events: Vec<Value>, of: &dyn Fn(&Value) -> Vec<Value>| -> BTreeSet<String> {
            events.iter().flat_map(of).map(|id| id.as_str().unwrap().to_owned()).collect()
        };
        let reused = ids(world.events_of("steps-reused"), &|event| {
            event["steps"].as_array().unwrap().iter().map(|step| step["step"].clone()).collect()
        });
        let ran = ids(world.events_of("step-started"), &|event| vec![event["step"].clone()]);
        for (id, told) in &told {
            *seen.entry(word(told).to_owned()).or_insert(0) += 1;
            match word(told) {
                "hit" => assert!(reused.contains(id), "round {round}: {id} ran, {told}"),
                "miss" | "not-cached" => assert!(ran.contains(id), "round {round}: {id} was reused, {told}"),
                "unknown" => {}
                other => panic!("round {round}: {id}: {other}"),
            }
            // The miss that a run tells is the very one that was predicted.
            if word(told) == "miss" {
                let missed = world.events_of("step-missed");
                let why = &missed.iter().find(|event| event["step"] == **id).unwrap()["why"];
                let same = ["miss", "changes", "more"].iter().all(|name| why[*name] == told[*name]);
                assert!(same || told["miss"] == "never", "round {round}: {id}: {why} is not {told}");
            }
        }
    }
    assert!(["hit", "miss", "not-cached", "unknown"].iter().all(|word| seen[*word] > 3), "{seen:?}");
}

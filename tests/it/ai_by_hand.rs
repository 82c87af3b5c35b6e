//! `wf ai run`: what it refuses, what it explains, and what it prints in a job.

use super::ai_server::{Fake, Fault};
use super::ai_steps::{ASK, DOCS, KEY, config, run};
use super::world::{Said, World};

fn ask(world: &World, args: &[&str]) -> Said {
    world.wf_env(&[("OPENAI_API_KEY", KEY)], &[&["ai", "run", "code_reviewer"], args].concat())
}

#[test]
fn nothing_passes_that_nobody_looked_at() {
    let fake = Fake::start();
    let world = World::new(&config(&fake, "", DOCS));
    world.write("src/b.rs", "BAD\n").write("bin/x", b"\0".as_slice()).commit("more");
    let _ = ask(&world, &[]).exits(2).complains("none is named");
    let _ = ask(&world, &["bin/x"]).exits(2).complains("no file is left");
    world.write("empty/.gitignore", "*\n").write("empty/x", "x\n");
    let _ = ask(&world, &["empty"]).exits(2).complains("in empty there is no file");
    let _ = ask(&world, &["--prompt", "summary", "src/a.rs"]).exits(2).complains("about a change");
    let _ = world.wf(&["ai", "run", "code_reviewr", "src/a.rs"]).exits(2).complains("did you mean `code_reviewer`?");
    assert_eq!(fake.calls(), 0);
    // A folder stands for its files.
    let _ = ask(&world, &["src", "--each", "--fail-on", "error"]).exits(1).says("src/b.rs:1: error: this is bad");
    assert_eq!(fake.calls(), 2);
    let _ = ask(&world, &["--prompt", "how are you today?"]).passed();
}

#[test]
fn a_miss_says_what_differs_when_somebody_asks() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    let _ = ask(&world, &["src/a.rs", "--each", "--why"]).passed().complains("no answer is kept yet");
    assert_eq!(world.git(&["status", "--porcelain"]), "", "what is kept is nothing that git should see");
    world.write("src/a.rs", "b\n");
    let said =
        ask(&world, &["src/a.rs", "--each", "--why"]).passed().complains("src/a.rs: asked, because from the nearest");
    let _ = said.complains("of the same file): messages/1/content changed");
    let said = ask(&world, &["src/a.rs", "--each", "--why"]).passed();
    assert!(!said.err.contains("because"), "{said:?}");
    world.write("docs/guide.md", "other\n").commit("edit");
    let _ = run(&world, &[]).passed().says("docs/guide.md: asked, because from the nearest");
}

#[test]
fn what_a_model_says_is_no_command_of_a_job() {
    let world = World::new(&format!(
        "ai: {{provider: command, command: [sh, -c, \"cat > /dev/null; echo '::set-output name=a::b'; echo 'x ##vso[task.complete]y'\"]}}\nsteps:\n{ASK}"
    ));
    for (variable, by) in [("GITHUB_ACTIONS", "true"), ("TF_BUILD", "True")] {
        let said = world.wf_env(&[(variable, by)], &["ai", "run", "code_reviewer", "src/a.rs", "--prompt", "answer"]);
        let said = said.passed().says(": :set-output").says("## vso[task");
        assert!(!said.out.lines().any(|line| line.starts_with("::")), "{said:?}");
        let json = ["ai", "run", "code_reviewer", "src/a.rs", "--prompt", "answer", "--json"];
        let said = world.wf_env(&[(variable, by)], &json).passed();
        let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert!(!said.out.contains("##vso[") && value["answers"][0]["text"].to_string().contains("##vso["), "{said:?}");
    }
    let _ = world.wf(&["run", "--no-smart-execution", "--no-cache"]).passed();
    let said = world.wf_env(&[("GITHUB_ACTIONS", "true")], &["report", "latest", "--step", "ask"]).passed();
    let _ = said.says(": :set-output").says("## vso[task");
}

#[test]
fn a_page_is_no_answer_and_a_key_that_is_not_set_is_named() {
    let fake = Fake::start();
    let world = World::new(&config(&fake, "", DOCS));
    fake.next(&[Fault::Page]);
    let _ = ask(&world, &["src/a.rs"]).exits(75).complains("web page").complains("`base_url` is the address of an API");
    fake.next(&[Fault::Auth]);
    let said = world.wf(&["ai", "run", "code_reviewer", "src/a.rs"]).exits(75);
    let _ = said.complains("`OPENAI_API_KEY` is not set");
}

#[test]
fn a_program_that_takes_too_long_leaves_nothing_behind() {
    let world = World::new(&format!(
        "ai: {{provider: command, read_timeout: 300ms, command: [sh, -c, \"(sleep 1; touch ../late) & sleep 60\"]}}\nsteps:\n{ASK}"
    ));
    let _ = world.wf(&["ai", "run", "code_reviewer", "src/a.rs"]).exits(75).complains("did not answer within");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert!(!world.outside("late").exists(), "its child went on");
}

#[test]
fn a_signal_ends_the_asking_and_what_it_started() {
    use rustix::process::{Pid, Signal, kill_process};
    let fake = Fake::start();
    let program = "ai: {provider: command, command: [sh, -c, \"touch ../began; (sleep 2; touch ../late) & sleep 60\"]}";
    let asking = World::new(&format!("{program}\nsteps:\n{ASK}"));
    let waiting = World::new(&config(&fake, "", DOCS));
    fake.always(Some(Fault::Limited(60)));
    for (world, signal, shown) in [(&asking, Signal::INT, "by SIGINT"), (&waiting, Signal::TERM, "by SIGTERM")] {
        let mut command = world.command(&["ai", "run", "code_reviewer", "src/a.rs"]);
        let child = command.env("OPENAI_API_KEY", KEY).spawn().unwrap();
        let begun = || world.outside("began").exists() || fake.calls() > 0;
        while !begun() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // It says that it waits only after the answer is there.
        std::thread::sleep(std::time::Duration::from_millis(100));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(130) && said.contains(shown), "{:?}: {said}", ended.status);
    }
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert!(!asking.outside("late").exists(), "a child of the program went on");
}

//! Which commit wf compares with in CI: one line for each kind of build, each checked by brute force in the whole history.

use super::ci_lab::{Build, Lab, Oracle};
use serde_json::{Value, json};
use wf::event::FallbackCode;

const ZERO: &str = "0000000000000000000000000000000000000000";

fn push(lab: &Lab, before: &str, forced: bool) -> Value {
    let before = if before == ZERO { ZERO.to_owned() } else { lab.sha(before) };
    json!({ "before": before, "forced": forced, "repository": { "default_branch": "main" } })
}

fn pull(lab: &Lab, base: &str, head: &str) -> Value {
    let target = base.split(['~', '^']).next();
    json!({
        "repository": { "default_branch": "main" },
        "pull_request": {
            "base": { "ref": target, "sha": lab.sha(base), "repo": { "full_name": "o/r" } },
            "head": { "ref": "a b; --x", "sha": lab.sha(head), "repo": { "full_name": "f/r" } },
        },
    })
}

/// How often the remote was asked.
fn fetched(told: &Value) -> usize {
    told["why"].as_array().unwrap().iter().filter(|line| line["why"] == "fetched").count()
}

#[test]
fn github_pull_requests() {
    let lab = Lab::new();
    let row = |name, reference, depth, base, head| {
        lab.build(name).actions(reference, depth).event("pull_request", &pull(&lab, base, head))
    };
    // The service's own merge: one commit, two, all. What the event says of the target is older than the merge.
    for (name, depth) in [("merge commit, one deep", 1), ("merge commit, two deep", 2), ("merge commit, whole", 0)] {
        let told = row(name, "refs/pull/7/merge", depth, "main~3", "topic").expect(&Oracle::Is("main"), true);
        assert_eq!(told["base"]["how"]["by"], "target");
        assert_eq!(fetched(&told), usize::from(depth == 1), "{name}");
    }
    // What the change cannot affect is skipped, trusting the target; also by the run itself.
    let run = row("run of a merge commit", "refs/pull/7/merge", 1, "main", "topic");
    let _ = run.wf(&["run"]).passed().says("1 passed").says("trusting the base");
    let told = row("a long request", "refs/pull/8/merge", 1, "main", "deep").expect(&Oracle::Is("main"), true);
    assert_eq!(fetched(&told), 1);
    // `ref: github.event.pull_request.head.sha`: HEAD is the request itself.
    for (name, reference, deepest) in [("head", "topic", 2), ("deep head", "deep", 3), ("old head", "old", 5)] {
        let told = row(name, reference, 1, "main", reference)
            .env("GITHUB_REF", "refs/pull/7/merge")
            .expect(&Oracle::Best("main"), true);
        assert!((1..=deepest).contains(&fetched(&told)), "{name}: {:#}", told["why"]);
    }
    let whole = row("head, whole", "topic", 0, "main", "topic").expect(&Oracle::Best("main"), true);
    assert_eq!(fetched(&whole), 0, "all is here");
    // It took the target in once: the newest of that counts, which the steps must not miss.
    let _ = row("crossed", "crossed", 1, "main", "crossed").expect(&Oracle::Best("main"), true);
    // Into another branch: nobody says that CI guards its commits.
    let _ = row("into a release", "refs/pull/9/merge", 1, "release", "relfix").expect(&Oracle::Is("release"), false);
    // `pull_request_target` builds the target: nothing of it is new, and what is there proves nothing.
    let target = lab.build("target").actions("main", 1).event("pull_request_target", &pull(&lab, "main", "topic"));
    let _ = target.expect(&Oracle::Nothing, false);
    // Someone else's merge, or another second parent than the event says: only the merge base counts.
    let _ = row("another second parent", "refs/pull/7/merge", 1, "main", "deep").expect(&Oracle::Best("main"), true);
    // Without the event's file the variables still say where it goes to.
    let bare = lab.build("no event file").actions("refs/pull/7/merge", 1).env("GITHUB_EVENT_NAME", "pull_request");
    let _ = bare.env("GITHUB_BASE_REF", "main").expect(&Oracle::Best("main"), true);
}

#[test]
fn github_pushes() {
    let lab = Lab::new();
    let row = |name, branch, depth, before, forced| {
        lab.build(name).actions(branch, depth).event("push", &push(&lab, before, forced))
    };
    let best = Oracle::Best("main");
    let _ = row("a push", "topic", 1, "topic~1", false).expect(&best, true);
    let _ = row("first push", "topic", 1, ZERO, false).expect(&best, true);
    let _ = row("first push, whole", "deep", 0, ZERO, false).expect(&best, true);
    let _ = row("forced", "rewritten", 1, "abandoned", true).expect(&best, true);
    let _ = row("a branch without commits of its own", "fresh", 1, ZERO, false).expect(&best, true);
    let _ = row("a branch at an old commit", "behind", 1, ZERO, false).expect(&best, true);
    let _ = row("no common history", "island", 0, ZERO, false).expect(&Oracle::Nothing, false);
    let squash = row("squashed", "squash", 1, ZERO, false).expect(&Oracle::SameFiles("main"), true);
    assert_eq!(squash["base"]["how"]["by"], "same-files");
    assert_eq!(squash["files"].as_array().unwrap().len(), 1, "only what came after the squash");
    // On the default branch only what is recorded counts.
    let _ = row("default, nothing recorded", "main", 1, "main~1", false).expect(&Oracle::Nothing, false);
    let near = row("default, green before", "main", 1, "main~1", false).green("main~1");
    let told = near.expect(&Oracle::Green(&["main~1"]), false);
    assert!(fetched(&told) > 0, "the clone ended at HEAD: {:#}", told["why"]);
    let several =
        row("default, several green", "main", 1, "main~1", false).green("main~9").green("main~4").green("topic");
    let _ = several.expect(&Oracle::Green(&["main~9", "main~4", "topic"]), false);
    let far = row("default, far green", "main", 1, "main~1", false).green("main~120");
    let _ = far.expect(&Oracle::Green(&["main~120"]), false);
    let other = row("default, only others are green", "main", 0, "main~1", false).green("topic");
    let _ = other.expect(&Oracle::Nothing, false);
    let forced = row("default, forced", "main", 1, "abandoned", true).green("abandoned");
    let _ = forced.expect(&Oracle::Nothing, false);
}

#[test]
fn github_queues_tags_and_clocks() {
    let lab = Lab::new();
    let queue = |base: &str| {
        json!({
            "repository": { "default_branch": "main" },
            "merge_group": { "base_ref": "refs/heads/main", "base_sha": lab.sha(base), "head_ref": "refs/heads/q" },
        })
    };
    let first = lab.build("first in the queue").actions("queue-1", 1).event("merge_group", &queue("main"));
    let _ = first.expect(&Oracle::Is("main"), true);
    // The second stands on the first, which may still fail: that is no base.
    let second = lab.build("second in the queue").actions("queue-2", 1).event("merge_group", &queue("queue-1"));
    let _ = second.expect(&Oracle::Is("main"), true);
    // Merged meanwhile: as on the default branch.
    let late = lab.build("late in the queue").actions("main~2", 0).event("merge_group", &queue("main~3"));
    let _ = late.green("main~4").expect(&Oracle::Green(&["main~4"]), false);
    let tag = || lab.build("tag").actions("v1", 1).event("push", &push(&lab, ZERO, false));
    let _ = tag().expect(&Oracle::Nothing, false);
    let green = lab.build("tag after green").actions("v1", 1).event("push", &push(&lab, ZERO, false)).green("main~14");
    let _ = green.expect(&Oracle::Green(&["main~14"]), false);
    let side = lab.build("tag beside").actions("v2-side", 1).event("push", &push(&lab, ZERO, false)).green("main~2");
    let _ = side.expect(&Oracle::Nothing, false);
    let about = json!({ "repository": { "default_branch": "main" } });
    let nightly = lab.build("schedule").actions("main", 1).event("schedule", &about).green("main~1");
    let _ = nightly.expect(&Oracle::Green(&["main~1"]), false);
    let _ =
        lab.build("by hand").actions("topic", 1).event("workflow_dispatch", &about).expect(&Oracle::Best("main"), true);
    // A service that says nothing of the default branch: the remote does.
    let _ = lab
        .build("nothing said")
        .actions("topic", 1)
        .event("workflow_dispatch", &json!({}))
        .expect(&Oracle::Best("main"), true);
}

#[test]
fn gitlab() {
    let lab = Lab::new();
    let request = |name, reference, depth, head: &str, kind| {
        lab.build(name).gitlab(reference, depth).envs(&[
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_MERGE_REQUEST_EVENT_TYPE", kind),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", &lab.sha(head)),
        ])
    };
    let merged = request("merged result", "refs/merge-requests/7/merge", 20, "topic", "merged_result");
    let _ = merged.expect(&Oracle::Is("main~1"), true);
    let _ = request("detached", "topic", 20, "topic", "detached").expect(&Oracle::Best("main"), true);
    let _ = request("detached, one deep", "deep", 1, "deep", "detached").expect(&Oracle::Best("main"), true);
    let _ =
        request("train", "refs/merge-requests/8/train", 20, "deep", "merge_train").expect(&Oracle::Is("main"), true);
    let push = |name, branch, before: &str| {
        let build = lab.build(name).gitlab(branch, 20).env("CI_PIPELINE_SOURCE", "push");
        build.env("CI_COMMIT_BRANCH", branch).env("CI_COMMIT_BEFORE_SHA", before)
    };
    let _ = push("first push", "topic", ZERO).expect(&Oracle::Best("main"), true);
    let _ = push("default branch", "main", &lab.sha("main~1")).expect(&Oracle::Nothing, false);
    let _ = push("default branch, green", "main", ZERO).green("main~30").expect(&Oracle::Green(&["main~30"]), false);
    let tag = lab.build("tag").gitlab("v1", 20).env("CI_COMMIT_TAG", "v1").green("main~11");
    let _ = tag.expect(&Oracle::Green(&["main~11"]), false);
}

#[test]
fn other_services() {
    let lab = Lab::new();
    let bitbucket = lab.build("bitbucket").cloned(&["--depth=50", "--branch=topic", "--no-single-branch"], "topic");
    bitbucket.git(&["merge", "--quiet", "--no-edit", "origin/main"]);
    let bitbucket = bitbucket.envs(&[
        ("CI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "3"),
        ("BITBUCKET_PR_ID", "7"),
        ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
        ("BITBUCKET_COMMIT", &lab.sha("topic")),
    ]);
    let _ = bitbucket.expect(&Oracle::Is("main"), true);
    let branch = lab.build("bitbucket branch").cloned(&["--depth=50", "--branch=deep"], "deep");
    let _ = branch
        .envs(&[("BITBUCKET_BUILD_NUMBER", "3"), ("BITBUCKET_BRANCH", "deep")])
        .expect(&Oracle::Best("main"), true);
    let circle = lab.build("circleci").cloned(&[], "topic");
    let _ = circle.envs(&[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "topic")]).expect(&Oracle::Best("main"), true);
    let circle =
        lab.build("circleci, default").cloned(&[], "main").envs(&[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "main")]);
    let _ = circle.green("main~3").expect(&Oracle::Green(&["main~3"]), false);
    let kite = lab.build("buildkite").cloned(&[], "topic").envs(&[
        ("BUILDKITE", "true"),
        ("BUILDKITE_PULL_REQUEST", "7"),
        ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "main"),
        ("BUILDKITE_BRANCH", "f:topic"),
    ]);
    let _ = kite.expect(&Oracle::Best("main"), true);
    let jenkins = lab.build("jenkins").cloned(&["--no-tags"], "main");
    jenkins.git(&["merge", "--quiet", "--no-edit", &lab.sha("deep")]);
    let jenkins = jenkins.envs(&[("JENKINS_URL", "http://j/"), ("CHANGE_ID", "7"), ("CHANGE_TARGET", "main")]);
    let _ = jenkins.env("BRANCH_NAME", "PR-7").expect(&Oracle::Is("main"), true);
    let azure = lab.build("azure").actions("refs/pull/7/merge", 1).env("GITHUB_ACTIONS", "").envs(&[
        ("TF_BUILD", "True"),
        ("BUILD_REASON", "PullRequest"),
        ("BUILD_SOURCEBRANCH", "refs/pull/7/merge"),
        ("BUILD_SOURCEVERSION", &lab.sha("refs/pull/7/merge")),
        ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"),
        ("SYSTEM_PULLREQUEST_SOURCECOMMITID", &lab.sha("topic")),
    ]);
    let _ = azure.expect(&Oracle::Is("main"), true);
    // A service that nobody knows says nothing but that it is one: git alone is asked.
    let _ = lab.build("unknown").cloned(&[], "topic").env("CI", "1").expect(&Oracle::Best("main"), true);
    let _ = lab.build("unknown, default").cloned(&[], "main~2").env("CI", "1").expect(&Oracle::Nothing, false);
}

#[test]
fn clones_of_every_kind() {
    let lab = Lab::new();
    let push = |build: Build<'_>| push_to_topic(&lab, build).expect(&Oracle::Best("main"), true);
    let told = push(lab.build("treeless").cloned(&["--filter=tree:0", "--no-checkout"], "topic"));
    assert!(fetched(&told) > 0, "what differs was brought");
    let _ = push(lab.build("blobless").cloned(&["--filter=blob:none"], "topic"));
    let _ =
        push(lab.build("shallow and blobless").cloned(&["--filter=blob:none", "--depth=3", "--branch=topic"], "topic"));
    // What is here is a common ancestor; whether it is the nearest cannot be seen, and is said.
    let cut = lab.build("cut").cloned(&["--depth=4", "--no-single-branch"], "crossed").args(&["--no-fetch"]);
    let told = push(cut);
    let tried = told["why"].as_array().unwrap().iter().find(|line| line["why"] == "tried").unwrap();
    assert_eq!(tried["outcome"]["perhaps_better"], true, "{:#}", told["why"]);
    // A linked worktree of a shallow clone.
    let linked = lab.build("linked").cloned(&["--depth=1", "--branch=topic"], "topic");
    linked.git(&["worktree", "add", "--quiet", "--detach", "beside"]);
    let _ = push(linked.args(&["--target", "beside"]));
    // Another name for the remote.
    let renamed = lab.build("renamed").cloned(&["--depth=1", "--branch=topic", "--origin=upstream"], "topic");
    let _ = push(renamed);
}

#[test]
fn a_default_branch_that_was_rewritten_leaves_its_fork_point() {
    let lab = Lab::new();
    let build = lab.build("fork point").cloned(&[], "fresh").env("CI", "1");
    build.git(&["commit", "--quiet", "--allow-empty", "--message", "own"]);
    // The server forgets all of main; this clone's reflog knows where it was.
    lab.server.git(&["update-ref", "refs/heads/main", &lab.sha("island")]);
    build.git(&["fetch", "--quiet", "origin"]);
    let told = build.expect(&Oracle::Is("fresh"), false);
    assert_eq!(told["base"]["how"]["by"], "fork-point");
}

fn push_to_topic<'a>(lab: &Lab, build: Build<'a>) -> Build<'a> {
    let build = build.env("GITHUB_ACTIONS", "true").env("GITHUB_REF", "refs/heads/topic");
    build.event("push", &push(lab, ZERO, false))
}

#[test]
fn what_cannot_be_had_is_said_and_everything_runs() {
    let lab = Lab::new();
    let build = || lab.build("offline").actions("topic", 1).event("push", &push(&lab, ZERO, false));
    let asked = build();
    asked.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    let told = asked.expect(&Oracle::Nothing, false);
    assert_eq!(fetched(&told), 1, "a remote that does not answer is asked once: {:#}", told["why"]);
    let forbidden = lab.build("no fetch").actions("topic", 1).event("push", &push(&lab, ZERO, false));
    let strict = forbidden.wf(&["plan", "--no-fetch", "--strict"]).exits(3).complains("refs/remotes/origin/main");
    assert!(strict.err.contains("hint:"), "{}", strict.err);
    let told = forbidden.args(&["--no-fetch"]).expect(&Oracle::Nothing, false);
    assert_eq!(fetched(&told), 0);
    let note = told["notes"].as_array().unwrap().iter().find(|note| note["type"] == "fallback").unwrap();
    assert_eq!(note["code"], serde_json::to_value(FallbackCode::NoBase).unwrap());
    // A server that gives nothing but the tips of its branches, while HEAD is none.
    let old = lab.build("tips only").actions("topic~1", 1).event("push", &push(&lab, ZERO, false));
    old.git(&["config", "protocol.version", "0"]);
    lab.server.git(&["config", "uploadpack.allowAnySHA1InWant", "false"]);
    let told = old.env("GITHUB_REF", "refs/heads/topic").expect(&Oracle::Best("main"), true);
    assert!(told["why"].to_string().contains("unadvertised object"), "{:#}", told["why"]);
    // A shallow clone that has the branch but not where HEAD left it.
    let short = lab.build("short").cloned(&["--depth=1", "--no-single-branch"], "topic").args(&["--no-fetch"]);
    let told = push_to_topic(&lab, short).expect(&Oracle::Nothing, false);
    let note = told["notes"].as_array().unwrap().iter().find(|note| note["type"] == "fallback").unwrap();
    assert_eq!(note["code"], serde_json::to_value(FallbackCode::Shallow).unwrap());
}

#[test]
fn what_outsiders_write_is_no_option_and_no_command() {
    let lab = Lab::new();
    for (at, hostile) in ["--upload-pack=touch pwned", "-x", "main\n::error::x", "a..b", "\u{1b}[2J", "refs/heads/../x"]
        .iter()
        .enumerate()
    {
        let name = format!("hostile {at}");
        let event = json!({
            "repository": { "default_branch": hostile },
            "pull_request": { "base": { "ref": hostile, "sha": "--all" }, "head": { "sha": hostile } },
        });
        let build = lab.build(&name).actions("topic", 1).env("GITHUB_BASE_REF", hostile).event("pull_request", &event);
        let said = build.wf(&["changes", "--why"]).passed();
        assert!(said.out.contains("not used") && said.out.contains("GITHUB_BASE_REF"), "{}", said.out);
        assert!(
            !said.out.contains("pwned") && !said.out.contains("::error") && !said.out.contains('\u{1b}'),
            "{}",
            said.out
        );
        // The remote says what the default branch is.
        let _ = build.expect(&Oracle::Best("main"), true);
        assert!(!lab.server.outside(&name.replace(' ', "-")).join("pwned").exists());
    }
}

#[test]
fn a_fetch_leaves_configuration_head_and_index_alone() {
    let lab = Lab::new();
    let build = lab.build("untouched").actions("topic", 1).event("push", &push(&lab, ZERO, false));
    let seen = |build: &Build<'_>| {
        let read = |file: &str| std::fs::read(lab.server.outside("untouched").join(".git").join(file)).ok();
        let status = build.git(&["--no-optional-locks", "status", "--porcelain", "--branch"]);
        (["config", "HEAD", "index", "FETCH_HEAD"].map(read), status, build.git(&["tag"]))
    };
    let before = seen(&build);
    assert!(build.wf(&["plan"]).passed().out.contains("the remote was asked"), "it had to fetch");
    assert_eq!(seen(&build), before);
    let again = build.wf(&["changes", "--why"]).passed().out;
    assert!(!again.contains("  fetch "), "once is enough: {again}");
}

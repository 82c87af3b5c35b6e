//! `wf ci checks`: every class of change ends as a change that can be merged, or as one that cannot, and none waits for ever.

use super::github_server::{GitHub, Merge, TOKEN};
use super::world::{Said, World};

const CONFIG: &str = "steps:
  - {id: lint, run: \"echo lint; ! grep -r BAD src\", inputs: [\"src/**\"]}
  - {id: test, run: \"! grep -r BROKEN src\", inputs: [\"src/**\"], needs: [lint]}
  - {id: docs, run: \"! grep -rn BAD docs | sed 's/$/: error: no good/'; ! grep -rq BAD docs\", inputs: [\"docs/**\"]}
  - {id: taste, run: \"! grep -rq UGLY src\", inputs: [\"src/**\"], allow_failure: true}
  - {id: deploy, run: \"true\", kind: deploy}
";
const REQUIRED: [&str; 4] = ["lint", "test", "docs", "taste"];

struct Case {
    world: World,
    hub: GitHub,
}

impl Case {
    fn new() -> Self {
        let world = World::topic(CONFIG);
        Self { world, hub: GitHub::start() }
    }

    /// A commit with these files, as a pull request's head.
    fn change(self, files: &[(&str, &str)]) -> Self {
        for (path, text) in files {
            self.world.write(path, text);
        }
        self.world.commit("change");
        self
    }

    fn head(&self) -> String {
        self.world.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn env(&self) -> Vec<(String, String)> {
        let event = self.world.outside("event.json");
        let head = self.head();
        std::fs::write(&event, format!("{{\"pull_request\":{{\"head\":{{\"sha\":\"{head}\"}}}}}}")).unwrap();
        let pairs = [
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_SHA", "0123456789012345678901234567890123456789"),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_API_URL", &self.hub.url),
            ("GITHUB_SERVER_URL", "https://github.example"),
            ("GITHUB_RUN_ID", "77"),
            ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        ];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn checks(&self) -> Said {
        let env = self.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.world.wf_env(&env, &["ci", "checks"])
    }

    fn merge(&self) -> Merge {
        self.hub.merge(&self.head(), &REQUIRED)
    }

    fn conclusion(&self, name: &str) -> String {
        let checks = self.hub.checks();
        let check = checks.iter().rev().find(|check| check["name"] == name).unwrap();
        check["conclusion"].as_str().unwrap().to_owned()
    }
}

#[test]
fn before_anything_is_sent_a_change_waits() {
    assert_eq!(Case::new().merge(), Merge::Pending("lint".into()));
}

#[test]
fn a_change_of_documents_skips_the_rest_and_can_be_merged() {
    let case = Case::new().change(&[("docs/guide.md", "better\n")]);
    let _ = case.world.wf(&["run"]).passed();
    let _ = case.checks().passed();
    assert_eq!(case.merge(), Merge::Able);
    let said = ["lint", "test", "docs", "taste", "deploy"].map(|name| case.conclusion(name));
    assert_eq!(said, ["skipped", "skipped", "success", "skipped", "skipped"]);
    let check = &case.hub.checks()[0];
    assert_eq!(check["details_url"], "https://github.example/o/r/actions/runs/77");
}

#[test]
fn a_change_of_code_that_passes_can_be_merged_and_one_that_is_known_too() {
    let case = Case::new().change(&[("src/a.rs", "better\n")]);
    let _ = case.world.wf(&["run"]).passed();
    let _ = case.checks().passed();
    assert_eq!((case.merge(), case.conclusion("lint")), (Merge::Able, "success".into()));
    let _ = case.world.wf(&["run", "--no-smart-execution"]).passed().says("cached");
    let _ = case.checks().passed();
    assert_eq!((case.merge(), case.conclusion("lint")), (Merge::Able, "success".into()));
}

#[test]
fn a_failure_blocks_and_so_does_what_never_came_to_its_turn() {
    let case = Case::new().change(&[("src/a.rs", "BAD\n")]);
    let _ = case.world.wf(&["run"]).exits(1);
    let _ = case.checks().passed();
    assert_eq!(case.merge(), Merge::Blocked("lint".into()));
    assert_eq!((case.conclusion("lint"), case.conclusion("test")), ("failure".into(), "cancelled".into()));
}

#[test]
fn a_failure_that_is_allowed_does_not_block() {
    let case = Case::new().change(&[("src/a.rs", "UGLY\n")]);
    let _ = case.world.wf(&["run"]).passed();
    let _ = case.checks().passed();
    assert_eq!((case.merge(), case.conclusion("taste")), (Merge::Able, "neutral".into()));
}

#[test]
fn jobs_that_share_the_steps_make_each_its_own_checks() {
    let case = Case::new().change(&[("src/a.rs", "more\n")]);
    let _ = case.world.wf(&["run", "--steps", "lint,taste"]).passed();
    let _ = case.checks().passed();
    assert_eq!(case.merge(), Merge::Pending("test".into()), "another job makes it");
    let _ = case.world.wf(&["run", "--steps", "test,docs"]).passed();
    let _ = case.checks().passed();
    assert_eq!(case.merge(), Merge::Able);
}

#[test]
fn findings_become_annotations_of_the_check() {
    let case = Case::new().change(&[("docs/guide.md", "fine\nBAD\n")]);
    let _ = case.world.wf(&["run", "--keep-going"]).exits(1);
    let _ = case.checks().passed();
    assert_eq!(case.merge(), Merge::Blocked("docs".into()));
}

#[test]
fn a_busy_service_is_asked_again_and_a_refusal_is_told() {
    let case = Case::new().change(&[("docs/guide.md", "better\n")]);
    let _ = case.world.wf(&["run"]).passed();
    case.hub.next(&[502, 429]);
    let _ = case.checks().passed().says("5 checks on");
    assert_eq!((case.merge(), case.hub.requests().len()), (Merge::Able, 7));
    // A pull request from a fork has a token that may only read.
    let fork = Case::new().change(&[("docs/guide.md", "from a fork\n")]);
    let _ = fork.world.wf(&["run"]).passed();
    fork.hub.next(&[403; 5]);
    let said = fork.checks().exits(3).complains("`permissions: checks: write`");
    assert!(!said.err.contains(TOKEN) && !said.out.contains(TOKEN));
    assert_eq!(fork.merge(), Merge::Pending("lint".into()), "the gate job is what such a change needs");
}

#[test]
fn outside_of_a_job_it_says_what_is_missing_and_prints_what_it_would_send() {
    let case = Case::new().change(&[("docs/guide.md", "better\n")]);
    let _ = case.world.wf(&["run"]).passed();
    let _ = case.world.wf(&["ci", "checks"]).exits(3).complains("GITHUB_REPOSITORY is not set");
    let _ = case.world.wf(&["ci", "checks", "--dry-run"]).passed().says("docs: success (passed in");
}

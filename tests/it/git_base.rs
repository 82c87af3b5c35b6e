//! Which commit wf compares with.

use super::git_repo::Scratch;
use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use wf::change::{Base, BaseHow};
use wf::event::FallbackCode;
use wf::git::{BaseQuery, GitError, NoBase, Repo, Resolved};

fn default(git: &Scratch) -> Result<Resolved, NoBase> {
    git.open().resolve_base(&BaseQuery::Default { configured: None })
}

fn commit(resolved: &Resolved) -> Option<&str> {
    match &resolved.base {
        Base::Commit { commit, .. } => Some(commit),
        _ => None,
    }
}

#[test]
fn a_topic_branch_is_compared_with_its_merge_base() {
    let git = Scratch::seeded();
    let fork = git.git(&["rev-parse", "HEAD"]);
    git.git(&["switch", "--quiet", "--create", "topic"]);
    let fresh = default(&git).unwrap();
    assert_eq!((commit(&fresh), fresh.on_default_branch), (Some(fork.as_str()), false));
    git.write("topic", "1").commit("topic");
    git.git(&["switch", "--quiet", "main"]);
    git.write("main", "1").commit("main");
    git.git(&["switch", "--quiet", "topic"]);
    let resolved = default(&git).unwrap();
    let how = BaseHow::MergeBase { branch: "refs/heads/main".into() };
    assert_eq!(resolved.base, Base::Commit { commit: fork, how });
    assert!(!resolved.on_default_branch);
}

#[test]
fn the_default_branch_is_recognised_by_name_or_when_detached_on_it() {
    let git = Scratch::seeded();
    let first = git.git(&["rev-parse", "HEAD"]);
    git.write("second", "1").commit("second");
    assert_eq!(default(&git).unwrap().base, Base::None);
    git.git(&["checkout", "--quiet", "--detach", &first]);
    let detached = default(&git).unwrap();
    assert!(detached.on_default_branch && detached.base == Base::None);
    git.write("own", "1").commit("own");
    let own = default(&git).unwrap();
    assert_eq!((commit(&own), own.on_default_branch), (Some(first.as_str()), false));
}

#[test]
fn a_clone_prefers_what_the_remote_says() {
    let origin = Scratch::seeded();
    origin.git(&["branch", "develop"]);
    origin.git(&["symbolic-ref", "HEAD", "refs/heads/develop"]);
    let git = Scratch::new();
    let clone = git.outside("clone");
    git.git(&["clone", "--quiet", origin.root.to_str().unwrap(), clone.to_str().unwrap()]);
    let resolve = |configured: Option<&str>| {
        let configured = configured.map(str::to_owned);
        Repo::discover(&clone).unwrap().resolve_base(&BaseQuery::Default { configured })
    };
    let resolved = resolve(None).unwrap();
    assert_eq!(resolved.default_branch.as_deref(), Some("refs/remotes/origin/develop"));
    assert!(resolved.on_default_branch);
    let configured = resolve(Some("main")).unwrap();
    assert_eq!(configured.default_branch.as_deref(), Some("refs/remotes/origin/main"));
    assert!(!configured.on_default_branch);
    assert!(matches!(resolve(Some("trunk")), Err(NoBase::ConfiguredMissing { .. })));
}

#[test]
fn an_asked_reference_must_exist_and_may_be_any_commit() {
    let git = Scratch::seeded();
    let first = git.git(&["rev-parse", "HEAD"]);
    git.git(&["tag", "--annotate", "--message", "v1", "v1"]);
    git.write("second", "1").commit("second");
    let ask =
        |reference: &str| git.open().resolve_base(&BaseQuery::Asked { reference: reference.into(), configured: None });
    for reference in ["v1", "HEAD~1", "main~1", &first, &first[..10]] {
        let resolved = ask(reference).unwrap();
        assert_eq!(
            resolved.base,
            Base::Commit { commit: first.clone(), how: BaseHow::Asked { reference: reference.into() } }
        );
    }
    let error = ask("no-such-branch").unwrap_err();
    assert!(matches!(&error, NoBase::AskedMissing { reference } if reference == "no-such-branch"));
    assert!(ask("HEAD:README.md").is_err(), "a file is no commit");
    git.git(&["checkout", "--quiet", "--orphan", "island"]);
    let island = git.commit("island");
    assert_eq!(commit(&ask("main").unwrap()).map(|base| base == island), Some(false));
    assert!(matches!(default(&git), Err(NoBase::Unrelated { .. })));
}

#[test]
fn no_commit_and_no_branch_are_typed() {
    let git = Scratch::new();
    assert_eq!(default(&git).unwrap_err().code(), FallbackCode::Unborn);
    git.write("a", "1").commit("a");
    git.git(&["branch", "--move", "main", "weird"]);
    assert!(matches!(default(&git), Err(NoBase::NoDefaultBranch)));
}

#[test]
fn a_shallow_clone_says_so() {
    let origin = Scratch::seeded();
    origin.git(&["switch", "--quiet", "--create", "topic"]);
    for n in 0..3 {
        origin.write("topic", n.to_string()).commit("topic");
    }
    origin.git(&["switch", "--quiet", "main"]);
    origin.write("main", "1").commit("main");
    let git = Scratch::new();
    let clone = git.outside("clone");
    let url = format!("file://{}", origin.root.display());
    let branch = ["--no-single-branch", "--branch", "topic"];
    git.git(&[&["clone", "--quiet", "--depth=1"][..], &branch, &[&url, clone.to_str().unwrap()]].concat());
    let error = Repo::discover(&clone).unwrap().resolve_base(&BaseQuery::Default { configured: None }).unwrap_err();
    assert_eq!(error.code(), FallbackCode::Shallow);
    assert!(error.hint().unwrap().contains("--unshallow"));
}

#[test]
fn the_newest_recorded_ancestor_is_found() {
    let git = Scratch::seeded();
    let first = git.git(&["rev-parse", "HEAD"]);
    let second = git.write("a", "1").commit("second");
    git.git(&["switch", "--quiet", "--create", "aside"]);
    let aside = git.write("b", "1").commit("aside");
    git.git(&["switch", "--quiet", "main"]);
    git.write("c", "1").commit("third");
    let repo = git.open();
    let newest = |names: &[&String]| {
        let names: BTreeSet<String> = names.iter().map(|name| (*name).clone()).collect();
        repo.newest_ancestor(&names, 1000).unwrap()
    };
    assert_eq!(newest(&[&first, &second, &aside]), Some(second.clone()));
    assert_eq!(newest(&[&first]), Some(first.clone()));
    assert_eq!(newest(&[&aside]), None);
    assert!(repo.is_ancestor(&first, &second).unwrap() && !repo.is_ancestor(&aside, &second).unwrap());
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn another_owner_is_refused_with_a_line_to_paste() {
    let git = Scratch::seeded();
    let strange = git.outside("it's here");
    std::fs::rename(&git.root, &strange).unwrap();
    if chown(&strange, Some(12345), None).is_err() || chown(strange.join(".git"), Some(12345), None).is_err() {
        println!("SKIPPED: only root can give files away");
        return;
    }
    let Err(error) = Repo::discover(&strange.join("src")) else { panic!("another user's repository was opened") };
    assert!(matches!(&error, GitError::OwnershipRefused { path } if *path == strange));
    assert_eq!(error.code(), FallbackCode::OwnershipRefused);
    let hint = error.hint().unwrap();
    let words = shlex::split(&hint).unwrap();
    assert_eq!(words, ["git", "config", "--global", "--add", "safe.directory", strange.to_str().unwrap()]);
}

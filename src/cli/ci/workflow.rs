//! `wf init --ci github`: a workflow whose required check always ends.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::git::{BaseQuery, Repo};
use crate::template;
use std::path::Path;

/// Where GitHub looks for workflows.
const PLACE: &str = ".github/workflows/wf.yml";

/// Services that `wf init --ci` writes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Service {
    /// GitHub Actions
    Github,
}

/// Writes it, or prints it.
///
/// # Errors
/// It is there already, or nobody said where the action is.
pub fn write(action: Option<&str>, print: bool, force: bool, cx: &Context) -> Result<Exit, Failure> {
    let repo = cx.discover().ok();
    let root = repo.as_ref().map_or(cx.cwd.as_path(), Repo::root);
    let action = action.map_or_else(own, |said| Ok(said.to_owned()))?;
    if !is_action(&action) {
        return Err(Failure::usage(format!("--action {action}: that is no action"))
            .hint("OWNER/REPO@COMMIT, with all 40 digits of the commit; `./` for the one in this repository"));
    }
    let text = workflow(template::GITHUB_WORKFLOW, &action, &branch(repo.as_ref()));
    if print {
        cx.print(&text)?;
        return Ok(Exit::Passed);
    }
    let path = root.join(PLACE);
    put(&path, &text, force)?;
    cx.print(&format!(
        "wrote {}\n\nnext:\n  commit it, and make the check `gate` the required one of your branch\n",
        cx.relative(&path)
    ))?;
    Ok(Exit::Passed)
}

/// The text, with what is known of this repository in its places.
fn workflow(text: &str, action: &str, branch: &str) -> String {
    text.replace("__ACTION__", action).replace("__BRANCH__", branch)
}

/// wf's own action at the tag of this version, where this build says where it is from.
fn own() -> Result<String, Failure> {
    let from = env!("CARGO_PKG_REPOSITORY").strip_prefix("https://github.com/").unwrap_or_default();
    if from.is_empty() {
        return Err(Failure::usage("which wf is the workflow to use? this build does not say where it is from")
            .hint("--action OWNER/wf@COMMIT names the repository that has wf's action.yml"));
    }
    Ok(format!("{}@v{}", from.trim_end_matches(".git"), env!("CARGO_PKG_VERSION")))
}

/// `./`, or `OWNER/REPO[/PATH]@REF`: letters that need no quotes in YAML and mean nothing to anybody.
fn is_action(text: &str) -> bool {
    let plain = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        part.chars().any(|c| c.is_ascii_alphanumeric()) && part.chars().all(fits) && !part.starts_with('-')
    };
    let of = text.split_once('@').filter(|(name, _)| name.split('/').count() >= 2);
    text == "./" || of.is_some_and(|(name, reference)| name.split('/').all(plain) && plain(reference))
}

/// The default branch's plain name.
fn branch(repo: Option<&Repo>) -> String {
    let found = repo.and_then(|repo| repo.resolve_base(&BaseQuery::Default { configured: None }).ok()?.default_branch);
    let short = |full: String| {
        let name = full.strip_prefix("refs/remotes/").and_then(|name| Some(name.split_once('/')?.1));
        name.or_else(|| full.strip_prefix("refs/heads/")).unwrap_or(&full).to_owned()
    };
    let found = found.map(short);
    let plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    found.filter(plain).unwrap_or_else(|| "main".into())
}

fn put(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    let refused = |error: std::io::Error| Failure::environment(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(refused)?;
    super::super::init::write(path, text, force)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_a_name_and_nothing_else() {
        for good in ["./", "o/wf@0123456789012345678901234567890123456789", "o/wf/sub@v1.2.3"] {
            assert!(is_action(good), "{good}");
        }
        for bad in [
            "",
            "wf",
            "wf@v1",
            "o/wf",
            "o/wf@",
            "o/wf@v1\nx: y",
            "o/w f@v1",
            "o/wf@-x",
            "../wf@v1 # x",
            "o//wf@v1",
            "../wf@v1",
        ] {
            assert!(!is_action(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let text = workflow(template::GITHUB_WORKFLOW, "o/wf@v1", "trunk");
        assert!(
            text.contains("uses: o/wf@v1\n") && text.contains("branches: [trunk]") && !text.contains("__"),
            "{text}"
        );
    }
}

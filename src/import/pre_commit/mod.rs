//! pre-commit (and prek) configurations: a step for each hook, which `pre-commit` runs over all files. Pure.
//!
//! `exclude` becomes a skip rule as it is; `files` and `types` become patterns where they can. A hook that names neither takes
//! them from its own repository, which is not here: it watches everything.

mod entry;
mod types;

use super::draft::{Draft, Imported, kind_of};
use super::filter::python;
use super::judge;
use super::node::{Look, from_yaml};
use crate::base::RepoPath;
use crate::config::model::Kind;
use crate::config::yaml::Node;
use entry::{command, is_script, words};
use regex::bytes::Regex;
use types::Kinds;

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("hook");
    let root = match from_yaml(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    if let Some(there) = root.get("fail_fast").filter(|there| there.is_true()) {
        out.lose(
            path,
            there.line(),
            "`fail_fast`",
            "it is a setting of all steps in wf",
            "say `fail_fast: kill` if you want it",
        );
    }
    for key in ["default_language_version", "minimum_pre_commit_version", "default_install_hook_types"] {
        if let Some(there) = root.get(key) {
            out.lose(path, there.line(), format!("`{key}`"), "pre-commit itself still reads it", "");
        }
    }
    let mut unnamed = vec![];
    for repo in root.get("repos").map(Look::items).unwrap_or_default() {
        let local = repo.text_of("repo") == Some("local");
        for hook in repo.get("hooks").map(Look::items).unwrap_or_default() {
            add(path, &root, hook, local, &mut out, &mut unnamed);
        }
    }
    if !unnamed.is_empty() {
        let what = format!("the files of {}", unnamed.join(", "));
        let why = "they are said in the hooks' own repositories: these steps watch everything";
        out.lose(path, 0, what, why, "name their `inputs`");
    }
    if root.get("repos").map(Look::items).unwrap_or_default().iter().any(by_extension) {
        let why = "they go by extension here, in small letters: programs with another extension, which only their first line tells, \
                   are not watched";
        out.lose(path, 0, "`types` and `types_or`", why, "add such files to `inputs`");
    }
    out
}

/// Has it a hook whose types come down to extensions?
fn by_extension(repo: &Node) -> bool {
    repo.get("hooks").map(Look::items).unwrap_or_default().iter().any(|hook| kinds(hook).is_some())
}

fn add(path: &RepoPath, root: &Node, hook: &Node, local: bool, out: &mut Imported, unnamed: &mut Vec<String>) {
    let Some(id) = hook.text_of("alias").or_else(|| hook.text_of("id")) else { return };
    let stages = hook.get("stages").or_else(|| root.get("default_stages")).map(Look::texts).unwrap_or_default();
    let at_commit = stages.is_empty() || stages.iter().any(|(stage, _)| matches!(*stage, "pre-commit" | "commit"));
    if !at_commit {
        let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
        let why = format!("it runs at {}", names.join(", "));
        return out.lose(path, hook.line(), format!("the hook `{id}`"), why, "keep it in pre-commit");
    }
    let mut lose = |what: String, why: String, advice: &str| out.lose(path, hook.line(), what, why, advice);
    // Of these `entry` is no command.
    let runs = !matches!(hook.text_of("language"), Some("fail" | "pygrep"));
    let refused = words(hook).filter(|_| local && runs).and_then(|words| judge::refused("", &words.join(" ")));
    // pre-commit fails where a hook edits, so that one is a check all the same.
    let edits = refused == Some(judge::EDITS);
    if let Some(why) = refused.filter(|_| !edits) {
        return lose(format!("the hook `{id}`"), why.to_owned(), "keep it in pre-commit");
    }
    let always = hook.get("always_run").is_some_and(Look::is_true);
    let mut inputs = vec![];
    if always {
        lose(format!("`always_run` of `{id}`"), "it watches everything: it runs when anything changed".into(), "");
    } else {
        match watched(root, hook) {
            Ok(patterns) => inputs = patterns,
            Err(why) => {
                lose(
                    format!("the files of the hook `{id}`"),
                    format!("{why}: it watches everything"),
                    "name its `inputs`",
                );
            }
        }
    }
    let said = ["files", "types", "types_or"].into_iter().any(|key| hook.get(key).is_some());
    if !local && !said && !always {
        unnamed.push(format!("`{id}`"));
    }
    let mut except: Vec<String> = vec![];
    for said in [root.text_of("exclude"), hook.text_of("exclude")].into_iter().flatten().map(str::trim) {
        let expression = plain(said);
        // A new version of a hook has to run it.
        if said != "^$" && Regex::new(&expression).is_ok_and(|found| found.is_match(path.as_bytes())) {
            let short = crate::config::yaml::shorten(said);
            let what = format!("`exclude: {short}` of the hook `{id}`");
            let why =
                format!("it takes {path} away, whose changes run the hook: it is left out, and such paths are watched");
            lose(what, why, "write it anew in `skip_rules`");
        } else if said != "^$" {
            except.push(expression);
        }
    }
    if !inputs.is_empty() {
        // What a hook does is said here, and which version of it.
        inputs.extend(super::filter::literal(path));
        let script = words(hook).filter(|_| local && is_script(hook));
        let script = script.and_then(|words| RepoPath::root().join(words[0].as_bytes()));
        inputs.extend(script.as_ref().and_then(super::filter::literal));
    }
    let name = hook.text_of("name").map(str::to_owned);
    let draft = Draft {
        key: id.to_owned(),
        run: command(path, hook, id, local && !edits),
        kind: Some(kind_of(id).filter(|kind| *kind == Kind::Test).unwrap_or(Kind::Lint)),
        name,
        inputs,
        except: if always { vec![] } else { except },
        lock: Some("pre-commit"),
        why: format!("hooks of {path}"),
        ..Draft::default()
    };
    match out.steps.iter_mut().find(|step| step.key == draft.key) {
        // `pre-commit run ID` runs all of that id.
        Some(same) if same.run == draft.run => {
            if (&same.inputs, &same.except) != (&draft.inputs, &draft.except) {
                (same.inputs, same.except) = (vec![], vec![]);
            }
        }
        _ => out.steps.push(draft),
    }
}

/// What the hook watches; empty: everything.
fn watched(root: &Node, hook: &Node) -> Result<Vec<String>, String> {
    let files: Vec<&str> = [root.text_of("files"), hook.text_of("files")].into_iter().flatten().collect();
    let kinds = kinds(hook);
    let narrowing: Vec<&str> = files.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect();
    // Two expressions that both have to match: the hook's own says more.
    let patterns = match narrowing.last() {
        None => None,
        Some(expression) => Some(python::search(expression).map_err(|why| format!("`files`: {why}"))?),
    };
    Ok(match (patterns, kinds) {
        (None, None) => vec![],
        (None, Some(kinds)) => kinds.below("**"),
        (Some(patterns), Some(kinds))
            if !kinds.by_first_line()
                && patterns.iter().all(|p| *p == "**" || (p.ends_with("/**") && !p.starts_with('!'))) =>
        {
            patterns.iter().flat_map(|pattern| kinds.below(pattern)).collect()
        }
        (Some(patterns), _) if patterns == ["**"] => vec![],
        (Some(patterns), _) => patterns,
    })
}

/// What `types` and `types_or` come down to; none if they do not.
fn kinds(hook: &Node) -> Option<Kinds> {
    let names = |key: &str| -> Vec<&str> {
        hook.get(key).map(Look::texts).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    };
    Kinds::of(&names("types"), &names("types_or"))
}

/// `\Z` is Python's alone.
fn plain(expression: &str) -> String {
    expression.replace("\\Z", "$")
}

#[cfg(test)]
mod tests {
    use crate::import::tests::{imported, inputs, steps};
    use crate::import::{Configuration, Format};

    fn of(text: &str) -> Configuration {
        imported(Format::PreCommit, ".pre-commit-config.yaml", &[(".pre-commit-config.yaml", text)])
    }

    #[test]
    fn hooks_become_steps() {
        let text = "exclude: ^vendor/\nrepos:\n- repo: https://example.org/x\n  rev: v1\n  hooks:\n  - id: black\n  \
                    - id: check-yaml\n    files: ^conf/\n    types: [yaml]\n    exclude: (?x)^(conf/a|conf/b)$\n  \
                    - {id: msg, stages: [commit-msg]}\n- repo: local\n  hooks:\n  - {id: types, entry: mypy, language: system, \
                    pass_filenames: false, args: ['-p', a b], types: [python], name: Types}\n  \
                    - {id: odd, entry: x, language: python, files: '^(?!a)'}\n";
        let made = of(text);
        let expected = [
            "black: pre-commit run black --all-files",
            "check-yaml: pre-commit run check-yaml --all-files",
            "types: mypy -p 'a b'",
            "odd: pre-commit run odd --all-files",
        ];
        assert_eq!(steps(&made), expected);
        assert_eq!(
            inputs(&made, "check-yaml"),
            [
                "conf/**/*.{yaml,yml,eyaml,yamlld}",
                "conf/**/{.ansible-lint,.clang-format,.clang-tidy,.salt-lint,.yamllint}",
                ".pre-commit-config.yaml"
            ]
        );
        assert_eq!(inputs(&made, "types")[..2], ["**", "!**/*.*"]);
        assert!(inputs(&made, "odd").is_empty() && inputs(&made, "black").is_empty());
        assert!(made.text.contains("\"^vendor/\": [black, check-yaml, types, odd]"), "{}", made.text);
        for part in ["`msg`", "files of `black`", "hook `odd`", "by extension"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }

    #[test]
    fn the_same_hook_twice_is_one_step() {
        let text =
            "repos: [{repo: x, hooks: [{id: a, files: ^a/}, {id: a, files: ^b/}, {id: a, alias: c, files: ^c/}]}]";
        let made = of(text);
        assert_eq!(steps(&made).len(), 2);
        assert!(inputs(&made, "a").is_empty() && inputs(&made, "c")[0] == "c/**");
    }

    #[test]
    fn commands_of_the_system_are_what_pre_commit_runs() {
        let hook = |rest: &str| {
            format!("repos: [{{repo: local, hooks: [{{id: a, language: system, pass_filenames: false, {rest}}}]}}]")
        };
        for (rest, expected) in [
            ("entry: check.sh, language: script, args: [a b]", "./check.sh 'a b'"),
            ("entry: tools/check.sh, language: unsupported_script", "./tools/check.sh"),
            ("entry: ./check.sh -x, language: script", "./check.sh -x"),
            ("entry: .check, language: script", "./.check"),
            ("entry: 'grep foo *.txt && echo $HOME'", "grep foo '*.txt' '&&' echo '$HOME'"),
            ("entry: 'bash -c \"a && b\"'", "bash -c 'a && b'"),
            ("entry: 'x \"'", "pre-commit run a --all-files"),
            ("entry: 'x #a'", "pre-commit run a --all-files"),
            ("entry: black src", "pre-commit run a --all-files"),
        ] {
            let text = hook(rest);
            let text = if rest.contains("language") { text.replace("language: system, ", "") } else { text };
            assert_eq!(steps(&of(&text)), [format!("a: {expected}")], "{rest}");
        }
        let fail = hook("entry: git push is not for here").replace("language: system", "language: fail");
        assert_eq!(of(&fail).steps, 1);
        for (entry, why) in
            [("git push", "world outside"), ("npm run dev", "does not end"), ("npx nodemon x", "not end")]
        {
            for id in ["a", "deploy"] {
                let made = of(&hook(&format!("entry: {entry}")).replace("id: a", &format!("id: {id}")));
                assert!(made.steps == 0 && made.lost.iter().any(|line| line.contains(why)), "{entry}: {:?}", made.lost);
            }
        }
    }

    #[test]
    fn a_new_version_of_a_hook_runs_it_whatever_is_excluded() {
        let text =
            "exclude: '\\.ya?ml$'\nrepos: [{repo: x, hooks: [{id: a, files: '\\.py$', exclude: ^old/}, {id: b}]}]";
        let made = of(text);
        assert!(made.text.contains("\"^old/\": [a]") && !made.text.contains("ya?ml$\": ["), "{}", made.text);
        for hook in ["`a`", "`b`"] {
            let told =
                made.lost.iter().any(|line| line.contains(&format!("of the hook {hook}")) && line.contains("ya?ml"));
            assert!(told, "{hook}: {:?}", made.lost);
        }
    }

    #[test]
    fn a_file_that_pre_commit_does_not_look_for_is_named() {
        for path in ["sub/.pre-commit-config.yaml", ".pre-commit-config.yml"] {
            let made = imported(Format::PreCommit, path, &[(path, "repos: [{repo: x, hooks: [{id: a}]}]")]);
            assert_eq!(steps(&made), [format!("a: pre-commit run --config {path} a --all-files")]);
        }
    }
}

//! The architecture as a test: who may use whom, what pure modules must not name, and the habits that no compiler
//! checks. It reads source text, not meaning; where it is wrong, mend the rule here, in the open.

use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The modules from the ground up. A module may use those that stand before it; leaves may not use each other.
const ORDER: &[&str] = &[
    "base",
    "change",
    "tree",
    "key",
    "event",
    "verdict",
    "ci",
    "config",
    "ask",
    "graph",
    "workspace",
    "import",
    "classify",
    "lint",
    "plan",
    "schedule",
    "predict",
    "report",
    "git",
    "exec",
    "cache",
    "history",
    "template",
    "github",
    "ai",
    "hook",
    "engine",
    "cli",
];
const PURE: &[&str] = &[
    "ask",
    "base",
    "change",
    "tree",
    "key",
    "event",
    "verdict",
    "ci",
    "config",
    "graph",
    "workspace",
    "import",
    "classify",
    "lint",
    "plan",
    "schedule",
    "predict",
];
const LEAVES: &[&str] = &["git", "exec", "cache", "history", "template", "github"];

/// What a pure module must not name: input and output, clocks, threads, async.
const EFFECTS: &str = r"(?x)
    \bstd::(fs|env|process|net|thread|os::unix::net)\b
    | \b(SystemTime|Instant|thread_local)\b
    | \b(tokio|git2|rayon|rustix|walkdir|ignore|tempfile|indicatif|uuid)::
    | \b(print|println|eprint|eprintln)!
    | \basync\b | \.await\b | \bstatic\s+mut\b
    | \.(exists|canonicalize|read_dir|symlink_metadata)\(\)";

/// Crates that one part of wf keeps to itself.
const KEPT: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("git2", &["git"]),
    ("indicatif", &["report"]),
    ("libc", &["exec"]),
    ("quick_junit", &["report"]),
    ("signal_hook", &["exec"]),
    ("sqlx", &["history"]),
    ("axum", &["ai"]),
    ("minijinja", &["ai"]),
    ("reqwest", &["ai", "github"]),
    ("rustls", &["ai", "github"]),
    ("tokio", &["exec", "history", "engine", "cli", "ai", "github"]),
];

/// Files past 500 lines, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// The first identifier of each entry in the braces at the start of `text`: `{fs, io::{self}}` → `fs`, `io`.
fn heads_of_group(text: &str) -> Vec<String> {
    let (mut depth, mut heads, mut expect) = (0, Vec::new(), true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => expect = true,
            c if expect && depth == 1 && (c.is_alphabetic() || c == '_') => {
                let mut head = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    head.push(next);
                }
                heads.push(head);
                expect = false;
            }
            _ => {}
        }
    }
    heads
}

/// Drops comments and the contents of literals, so that only names are left.
fn strip(source: &str) -> String {
    static LITERALS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
        r#"(?xs) //[^\n]* | /\*.*?\*/ | b?r\#"(?:.*?)"\# | b?r"[^"]*" | b?c?"(?:\\.|[^"\\])*" | b?'(?:\\[^']+|[^'\\])'"#,
    ).unwrap()
    });
    LITERALS.replace_all(source, |m: &regex::Captures<'_>| if m[0].starts_with('/') { "" } else { "\"\"" }).into_owned()
}

/// The files and folders of modules that exist for tests alone: `#[cfg(test)] mod x;` in the file at `path`.
fn test_files(path: &Path, source: &str) -> Vec<PathBuf> {
    static MODULES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"#\[cfg\(test\)\]\s*(?:#\[path = "([^"]+)"\]\s*)?(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+);"#).unwrap()
    });
    let beside = path.parent().unwrap();
    let below = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => beside.to_owned(),
        _ => path.with_extension(""),
    };
    let files = |m: regex::Captures<'_>| match m.get(1) {
        Some(named) => vec![beside.join(named.as_str())],
        None => vec![below.join(format!("{}.rs", &m[2])), below.join(&m[2])],
    };
    MODULES.captures_iter(source).flat_map(files).collect()
}

/// Drops `#[cfg(test)] mod … { … }`, `mod simulate;` and other items for tests alone. Wants stripped text.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = item.find(['{', ';']).map_or(item.len(), |open| {
            if item.as_bytes()[open] == b';' {
                return open + 1;
            }
            let mut depth = 0_usize;
            item[open..]
                .char_indices()
                .find_map(|(i, c)| {
                    depth = if c == '{' {
                        depth + 1
                    } else if c == '}' {
                        depth - 1
                    } else {
                        depth
                    };
                    (depth == 0).then_some(open + i + 1)
                })
                .unwrap_or(item.len())
        });
        rest = &item[end..];
    }
    kept + rest
}

/// The top-level modules of wf that this code names; `depth` is how many modules deep it stands.
fn modules_named(code: &str, depth: usize) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(crate|(?:super::)+super|super)::\s*(\{|[a-z_][a-z0-9_]*)").unwrap());
    for found in PATH.captures_iter(code) {
        if found[1] != *"crate" && found[1].matches("super").count() != depth {
            continue;
        }
        let at = found.get(2).unwrap();
        if &found[2] == "{" {
            named.extend(heads_of_group(&code[at.start()..]));
        } else {
            named.insert(found[2].into());
        }
    }
    named
}

/// Everything that is wrong with one file of `src`.
fn complaints(file: &str, source: &str, for_tests: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<_> = file.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    let (module, depth) = (parts[0], parts.len() - usize::from(parts.last() == Some(&"mod")));
    let code = strip(source);
    let code = if for_tests { String::new() } else { without_tests(&code) };

    if !source.starts_with("//!") {
        wrong.push("does not start with a `//!` head that says what it is".into());
    }
    let lines = source.lines().count();
    if lines > 500 && !LONG.iter().any(|(name, _)| *name == file) {
        wrong.push(format!("{lines} lines: split it, or list it in LONG with the reason"));
    }
    for word in ["util", "utils", "helper", "helpers", "manager", "misc", "common"] {
        if parts.iter().any(|part| part.split('_').any(|p| p == word)) {
            wrong.push(format!("a file called `{word}` says nothing: name it after what it holds"));
        }
    }
    static LEFT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(todo|unimplemented|dbg)!").unwrap());
    for found in LEFT.find_iter(&code) {
        wrong.push(format!("`{}` is left in it", found.as_str()));
    }
    static CRATES: LazyLock<Regex> = LazyLock::new(|| {
        let names: Vec<_> = KEPT.iter().map(|(name, _)| *name).collect();
        Regex::new(&format!(r"\b({0})::|\buse ({0})\b", names.join("|"))).unwrap()
    });
    for found in CRATES.captures_iter(&code) {
        let name = found.get(1).or(found.get(2)).unwrap().as_str();
        let allowed = KEPT.iter().find(|(kept, _)| *kept == name).unwrap().1;
        if !allowed.contains(&module) {
            wrong.push(format!("names `{name}`, which only {} may", allowed.join(", ")));
        }
    }
    if matches!(module, "lib" | "main") {
        return wrong;
    }
    let Some(rank) = ORDER.iter().position(|m| *m == module) else {
        wrong.push(format!("the module `{module}` has no place in ORDER"));
        return wrong;
    };
    for other in modules_named(&code, depth) {
        let Some(its_rank) = ORDER.iter().position(|m| *m == other) else { continue };
        if its_rank > rank {
            wrong.push(format!("`{module}` uses `{other}`, which stands above it"));
        } else if its_rank != rank && LEAVES.contains(&module) && LEAVES.contains(&other.as_str()) {
            wrong.push(format!("`{module}` uses `{other}`: leaves do not know each other"));
        }
    }
    if PURE.contains(&module) && !for_tests {
        let head: Vec<_> = source.lines().take_while(|line| line.starts_with("//!")).collect();
        if !["Pure.", "Pure:"].iter().any(|word| head.join(" ").contains(word)) {
            wrong.push("belongs to a pure module, and its head does not say `Pure.`".into());
        }
        static NAMED: LazyLock<Regex> = LazyLock::new(|| Regex::new(EFFECTS).unwrap());
        for found in NAMED.find_iter(&code) {
            wrong.push(format!("is pure and names `{}`", found.as_str().trim()));
        }
        for (at, _) in code.match_indices("std::{") {
            for head in heads_of_group(&code[at + "std::".len()..]) {
                if ["fs", "env", "process", "net", "thread"].contains(&head.as_str()) {
                    wrong.push(format!("is pure and names `std::{head}`"));
                }
            }
        }
    }
    wrong
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that is, or may become, part of the project: what git does not ignore.
fn project_files() -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(root()).hidden(false).filter_entry(|e| e.file_name() != ".git").build();
    let files = walk.map(Result::unwrap).filter(|e| e.file_type().is_some_and(|t| t.is_file()));
    let mut paths: Vec<_> = files.map(|e| e.path().strip_prefix(root()).unwrap().to_owned()).collect();
    paths.sort();
    paths
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(file)).unwrap()).into_owned()
}

fn fail_on(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn layers_purity_and_habits_hold() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    let files = project_files();
    let rust = files.iter().filter(|file| file.starts_with("src") && file.extension().is_some_and(|e| e == "rs"));
    let for_tests: Vec<_> = rust.flat_map(|file| test_files(file, &read(file))).collect();
    for file in files {
        if file.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let name = file.display().to_string();
        if file.starts_with("src") {
            seen += 1;
            wrong.extend(
                complaints(&name, &read(&file), for_tests.iter().any(|t| file.starts_with(t)))
                    .into_iter()
                    .map(|what| format!("{name}: {what}")),
            );
        } else if !read(&file).starts_with("//!") {
            wrong.push(format!("{name}: does not start with a `//!` head that says what it is"));
        }
    }
    assert!(seen > 20, "only {seen} files found: the walk is broken");
    fail_on(&wrong);
}

#[test]
fn the_rules_catch_what_they_should() {
    let bad = "//! Reads things.\nuse crate::{base::RepoPath, git};\nuse std::{fs, io};\nfn now() { SystemTime::now(); }\n\
               fn x() { println!(\"{}\", std::env::args().count()); todo!() }\nuse git2::Repository;\nuse super::cli;";
    let found = complaints("src/plan/mod.rs", bad, false);
    for part in [
        "uses `git`",
        "uses `cli`",
        "`Pure.`",
        "`SystemTime`",
        "`std::fs`",
        "`std::env`",
        "`println!`",
        "`todo!`",
        "names `git2`, which only git may",
    ] {
        assert!(found.iter().any(|f| f.contains(part)), "nobody complained about {part}: {found:?}");
    }
    let more = [
        ("src/exec/x.rs", "//! x\nuse crate::git::Repo;", "leaves do not know each other"),
        ("src/report/utils.rs", "//! x", "`utils`"),
        ("src/fresh.rs", "//! x", "no place in ORDER"),
        ("src/git/x.rs", "use std::fs;", "head"),
        ("src/git/x.rs", &format!("//! x\n{}", "\n".repeat(600)), "601 lines"),
        ("src/plan/x/y.rs", "//! Pure.\nuse super::super::super::engine;", "uses `engine`"),
    ];
    for (file, source, part) in more {
        let found = complaints(file, source, false);
        assert!(found.iter().any(|f| f.contains(part)), "nobody complained about {part}: {found:?}");
    }
}

#[test]
fn the_rules_let_good_code_pass() {
    let good = "//! Decides. Pure.\nuse crate::base::RepoPath;\n// std::fs is only named here\nfn f<'a>(x: &'a str) -> char \
                { let _ = \"println! crate::git { std::fs\"; 'x' }\n#[cfg(test)]\nmod tests { use std::fs; use crate::git; \
                fn g() { println!(); } }\n#[cfg(test)]\nmod simulate;\nfn after() {}";
    assert_eq!(complaints("src/plan/mod.rs", good, false), Vec::<String>::new());
    assert!(without_tests(&strip(good)).contains("fn after"));
    assert_eq!(complaints("src/exec/x.rs", "//! x\nuse std::fs;\nuse super::job;", false), Vec::<String>::new());
}

#[test]
fn files_for_tests_alone_are_known() {
    let source = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\nmod real;";
    let found = test_files(Path::new("src/plan/x.rs"), source);
    assert_eq!(found, ["src/plan/x/tests.rs", "src/plan/x/tests", "src/plan/x_tests.rs"].map(PathBuf::from));
    let bad = "//! x\nuse std::fs;";
    assert_eq!(complaints("src/plan/x_tests.rs", bad, true), Vec::<String>::new());
    assert_eq!(complaints("src/plan/x_tests.rs", bad, false).len(), 2);
}

#[test]
fn no_test_file_is_forgotten() {
    let main = read(Path::new("tests/it/main.rs"));
    let wrong: Vec<_> = project_files()
        .iter()
        .filter(|file| file.parent() == Some(Path::new("tests/it")) && file.extension().is_some_and(|e| e == "rs"))
        .filter_map(|file| file.file_stem()?.to_str())
        .filter(|stem| *stem != "main" && !Regex::new(&format!(r"(?m)^mod {stem};")).unwrap().is_match(&main))
        .map(|stem| format!("tests/it/{stem}.rs is not named in tests/it/main.rs: it would never run"))
        .collect();
    fail_on(&wrong);
}

#[test]
fn nothing_left_over_and_nothing_of_one_machine() {
    // Put together here, so that this file does not name what it forbids.
    let hosts = [["crates", ".io"], ["pypi", ".org"], ["npmjs", ".org"], ["proxy.golang", ".org"]].map(|p| p.concat());
    let folders = [["/wo", "rk/"], ["/ro", "ot/"], ["/Us", "ers/"]].map(|p| p.concat());
    let mut wrong = Vec::new();
    for file in project_files() {
        let name = file.display().to_string();
        if [".snap.new", ".orig", ".rej", ".pending-snap"].iter().any(|end| name.ends_with(end)) {
            wrong.push(format!("{name}: left over"));
        }
        if ["Cargo.lock", "package-lock.json"].iter().any(|lock| name.ends_with(lock)) {
            continue;
        }
        let text = read(&file);
        let bad = hosts.iter().chain(&folders).filter(|word| text.contains(*word));
        wrong.extend(bad.map(|word| format!("{name}: names `{word}`, which is of one machine or one registry")));
    }
    fail_on(&wrong);
}

#[test]
fn the_changelog_knows_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let heading = format!("## {version}");
    assert!(
        read(Path::new("CHANGELOG.md")).lines().any(|line| line.starts_with(&heading)),
        "CHANGELOG.md lacks `{heading}`"
    );
}

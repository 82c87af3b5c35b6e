//! npm, pnpm, yarn and bun projects: scripts that package.json has, run once, in no watch mode. Pure.

use super::{Detected, Draft, Look, PACKAGES, ProjectKind};
use crate::base::RepoPath;
use crate::config::model::Kind;
use serde_json::{Map, Value};

/// Lock files, and the tool that writes each.
const LOCKS: [(&str, Tool); 6] = [
    ("pnpm-lock.yaml", Tool::Pnpm),
    ("yarn.lock", Tool::Yarn),
    ("bun.lock", Tool::Bun),
    ("bun.lockb", Tool::Bun),
    ("package-lock.json", Tool::Npm),
    ("npm-shrinkwrap.json", Tool::Npm),
];

/// Roles, and the scripts that may fill them, best first.
const ROLES: [(&str, Kind, &[&str]); 6] = [
    ("lint", Kind::Lint, &["lint:check", "lint-check", "lint:ci", "lint"]),
    (
        "format",
        Kind::Lint,
        &["format:check", "format-check", "check:format", "check-format", "fmt:check", "prettier:check"],
    ),
    ("types", Kind::Lint, &["typecheck", "type-check", "check-types", "check:types", "types:check", "tsc"]),
    ("check", Kind::Lint, &["check"]),
    ("build", Kind::Build, &["build"]),
    ("test", Kind::Test, &["test:unit", "test-unit", "test:ci", "test"]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    let has_lock = |folder: &RepoPath| LOCKS.iter().any(|(name, _)| look.has(folder, name));
    let (homes, aside) = look.homes(&["package.json"], has_lock);
    for folder in &homes {
        let Some(package) =
            look.read(folder, "package.json").and_then(|text| serde_json::from_str::<Value>(&text).ok())
        else {
            found.notes.push(format!("package.json in `{folder}` is not readable as JSON"));
            continue;
        };
        let tool = tool(look, folder, &package);
        let workspace = package.get("workspaces").is_some() || look.has(folder, "pnpm-workspace.yaml");
        let members = aside.iter().filter(|member| workspace && member.is_in(folder));
        let members: Vec<Value> = members
            .filter_map(|member| look.read(member, "package.json"))
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect();
        let mut steps = scripts(look, folder, tool, &package, &members, found);
        if !steps.is_empty() && (needs_install(&package) || members.iter().any(needs_install)) {
            for step in &mut steps {
                step.needs.insert(0, "install");
            }
            steps.insert(0, install(look, folder, tool, workspace, &package));
        }
        found.add(ProjectKind::Node, folder, tool.name(), steps);
    }
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }
}

/// By the nearest lock file, else by `packageManager`.
fn tool(look: &Look<'_>, folder: &RepoPath, package: &Value) -> Tool {
    let above = std::iter::successors(Some(folder.clone()), |at| (!at.is_root()).then(|| at.parent()));
    let by_lock =
        above.into_iter().find_map(|at| LOCKS.iter().find(|(name, _)| look.has(&at, name)).map(|(_, tool)| *tool));
    by_lock.unwrap_or_else(|| {
        match package.get("packageManager").and_then(Value::as_str).and_then(|s| s.split('@').next()) {
            Some("pnpm") => Tool::Pnpm,
            Some("yarn") => Tool::Yarn,
            Some("bun") => Tool::Bun,
            _ => Tool::Npm,
        }
    })
}

fn needs_install(package: &Value) -> bool {
    ["dependencies", "devDependencies"]
        .iter()
        .any(|key| package.get(key).and_then(Value::as_object).is_some_and(|d| !d.is_empty()))
}

fn install(look: &Look<'_>, folder: &RepoPath, tool: Tool, workspace: bool, package: &Value) -> Draft {
    let lock = LOCKS.iter().find(|(name, _)| look.has(folder, name)).map(|(name, _)| *name);
    let manager = package.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    let berry = look.has(folder, ".yarnrc.yml") || (manager.starts_with("yarn@") && !manager.starts_with("yarn@1."));
    let run = match (tool, lock) {
        (Tool::Npm, Some(_)) => "npm ci",
        (Tool::Npm, None) => "npm install --no-package-lock",
        (Tool::Pnpm, Some(_)) => "pnpm install --frozen-lockfile",
        (Tool::Pnpm, None) => "pnpm install --no-lockfile",
        (Tool::Yarn, Some(_)) if berry => "yarn install --immutable",
        (Tool::Yarn, Some(_)) => "yarn install --frozen-lockfile",
        (Tool::Yarn, None) => "yarn install",
        (Tool::Bun, Some(_)) => "bun install --frozen-lockfile",
        (Tool::Bun, None) => "bun install --no-save",
    };
    let settings = [".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml", "pnpm-workspace.yaml", ".pnpmfile.cjs"];
    let names =
        ["package.json"].into_iter().chain(lock).chain(settings.into_iter().filter(|name| look.has(folder, name)));
    let mut inputs: Vec<String> = names.map(|name| format!("./{name}")).collect();
    let mut outputs = vec!["./node_modules/**".to_owned()];
    if workspace {
        inputs.insert(1, "./**/package.json".into());
        outputs = vec!["./**/node_modules/**".into()];
    }
    if ["patches", ".yarn/patches"].iter().any(|at| look.files.iter().any(|path| below(path, folder, at))) {
        inputs.push("./**/patches/**".into());
    }
    Draft { role: "install", run: run.into(), inputs, outputs, uncached: PACKAGES, ..Draft::default() }
}

fn below(path: &RepoPath, folder: &RepoPath, name: &str) -> bool {
    folder.join(name.as_bytes()).is_some_and(|at| path.is_in(&at))
}

fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    let scripts: &Map<String, Value> = package.get("scripts")?.as_object()?;
    scripts.get(name)?.as_str()
}

fn scripts(
    look: &Look<'_>,
    folder: &RepoPath,
    tool: Tool,
    package: &Value,
    members: &[Value],
    found: &mut Detected,
) -> Vec<Draft> {
    let mut steps: Vec<Draft> = Vec::new();
    for (role, kind, names) in ROLES {
        let own = names.iter().find_map(|name| Some((*name, script(package, name)?, false)));
        let theirs = || {
            let has = |name: &&&str| members.iter().any(|member| script(member, name).is_some());
            names.iter().find(has).and_then(|name| Some((*name, members.iter().find_map(|m| script(m, name))?, true)))
        };
        let Some((name, text, everywhere)) = own.or_else(theirs) else { continue };
        if let Some(reason) = refused(text) {
            found.notes.push(format!("the script `{name}` of {folder}/package.json is left out: {reason}"));
            continue;
        }
        let Some(run) = (if everywhere { run_everywhere(tool, name, members) } else { Some(run_here(tool, name)) })
        else {
            continue;
        };
        let mut step = Draft { role, run, kind: Some(kind), ..Draft::default() };
        if text.contains("react-scripts test") || text.split_whitespace().any(|word| matches!(word, "vitest" | "jest"))
        {
            step.env = vec![("CI", "true")];
            step.why = "CI=true: the test runner ends instead of watching files".into();
        }
        if role == "build" {
            let built = look.ignored(folder, &["dist", "build", "lib", "out", "es", "esm", ".next"]);
            let deep = if members.is_empty() { "" } else { "**/" };
            step.outputs = built.iter().map(|name| format!("./{deep}{name}/**")).collect();
            if !step.outputs.is_empty() && !members.is_empty() {
                step.outputs.push("!./**/node_modules/**".into());
            }
        }
        if let Some(build) = steps.iter().find(|step| step.role == "build").filter(|_| role == "test") {
            // With known outputs the tests may use them; without, they only come later.
            if build.outputs.is_empty() { step.after = vec!["build"] } else { step.needs = vec!["build"] }
        }
        steps.push(step);
    }
    steps
}

fn run_here(tool: Tool, name: &str) -> String {
    match (tool, name) {
        (Tool::Npm, "test") => "npm test".into(),
        _ => format!("{} run {name}", tool.name()),
    }
}

/// The script in every member that has it. Yarn 1 stops at the first member without it.
fn run_everywhere(tool: Tool, name: &str, members: &[Value]) -> Option<String> {
    Some(match tool {
        Tool::Npm => format!("npm run {name} --workspaces --if-present"),
        Tool::Pnpm => format!("pnpm -r --if-present run {name}"),
        Tool::Bun => format!("bun run --filter '*' {name}"),
        Tool::Yarn if members.iter().all(|member| script(member, name).is_some()) => {
            format!("yarn workspaces run {name}")
        }
        Tool::Yarn => return None,
    })
}

/// Why a script is no step: it edits files, never ends, or is npm's placeholder.
fn refused(text: &str) -> Option<&'static str> {
    let mut words = text.split_whitespace();
    if text.contains("no test specified") {
        return Some("it is npm's placeholder");
    }
    if words.clone().any(|word| matches!(word, "--fix" | "--write" | "--apply")) {
        return Some("it edits files; declare it with `writes` if you want it");
    }
    let watches = |word: &str| matches!(word, "--watch" | "--watchAll" | "-w" | "nodemon" | "watch");
    if words.any(watches) || text.trim() == "ng test" {
        return Some("it watches files and does not end");
    }
    None
}

//! What is no check: commands and names of tasks that never end, edit files, change the world outside, or are for people.
//! Pure.
//!
//! One judgement for all importers. It errs towards leaving out, because what is left out is told, and a step that never ends
//! or pushes to a server is found out too late. Does not know: any format.

use super::draft::kind_of;
use crate::config::model::Kind;

/// Never-ending programs, and those that ask somebody.
const ENDLESS: &str = "it does not end by itself";
/// Programs that write what is checked.
pub(super) const EDITS: &str = "it edits files";
/// Programs that change what is not in this folder.
const OUTSIDE: &str = "it changes the world outside";
const FOR_PEOPLE: &str = "it is for people, not for checks";

/// Names of tasks that remove, install, or explain.
const PEOPLES: [&str; 16] = [
    "clean",
    "distclean",
    "mrproper",
    "help",
    "install",
    "uninstall",
    "run",
    "stop",
    "shell",
    "setup",
    "init",
    "list",
    "default",
    "bootstrap",
    "up",
    "down",
];

/// Why a task of this name is no step, if it is none.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    if PEOPLES.contains(&name) {
        return Some(FOR_PEOPLE);
    }
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let first_or_last = |one: &str| words.first() == Some(&one) || words.last() == Some(&one);
    // `test-dev` tests what is in development, `docs:dev` is a server.
    let whole = lower.rsplit(':').next().is_some_and(|last| matches!(last, "dev" | "preview"));
    if words.iter().any(|word| matches!(*word, "watch" | "serve" | "livereload" | "autobuild"))
        || whole
        || words.first().is_some_and(|word| matches!(*word, "dev" | "preview"))
        || first_or_last("start")
        || words.last().is_some_and(|word| matches!(*word, "live" | "open"))
    {
        return Some(ENDLESS);
    }
    if words.iter().any(|word| matches!(*word, "fix" | "autofix" | "write" | "reformat")) {
        return Some(EDITS);
    }
    words.iter().any(|word| word.ends_with("install")).then_some(FOR_PEOPLE)
}

/// Why a command is no step, if it is none: the lines of a recipe, or a script. Commands that change the world outside are
/// left out, unless the task says by its `name` that it is for that: then it is a step that runs only when it is asked for.
pub(super) fn refused(name: &str, text: &str) -> Option<&'static str> {
    let text = joined(text);
    let why = parts(&text).find_map(one);
    why.filter(|why| *why != OUTSIDE || kind_of(name) != Some(Kind::Deploy))
}

/// Does one of these commands change the world outside?
pub(super) fn acts_outside(text: &str) -> bool {
    parts(&joined(text)).any(|part| one(part) == Some(OUTSIDE))
}

/// Does one of these commands never end?
pub(super) fn is_endless(text: &str) -> bool {
    parts(&joined(text)).any(|part| one(part) == Some(ENDLESS))
}

/// Does one of these commands edit files?
pub(super) fn edits(text: &str) -> bool {
    parts(&joined(text)).any(|part| one(part) == Some(EDITS))
}

/// Lines that go on after a backslash as one.
fn joined(text: &str) -> String {
    text.replace("\\\n", " ")
}

/// Simple commands, as far as a glance tells them apart.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let commands = text.split(['\n', ';']).flat_map(|line| line.split("&&")).flat_map(|part| part.split("||"));
    commands.flat_map(|part| part.split_inclusive(" & "))
}

/// One simple command.
fn one(command: &str) -> Option<&'static str> {
    // Who waits for nobody is no matter how long it takes.
    let waits = !command.trim_end().ends_with('&');
    let command =
        command.split('|').next().unwrap_or_default().trim().trim_start_matches(['@', '-', '+']).trim_end_matches('&');
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let is_front = |word: &&str| {
        let assigns = word
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        assigns || matches!(*word, "npx" | "bunx" | "cross-env" | "exec" | "sudo" | "time" | "pnpx" | "dotenv" | "--")
    };
    let program = words.find(|word| !is_front(word))?;
    let rest: Vec<&str> = words.collect();
    let program = program.rsplit('/').next().unwrap_or(program);
    // What runs another program.
    match (program, &rest[..]) {
        ("pnpm" | "yarn" | "bun" | "npm", ["exec" | "dlx" | "x", ..])
        | ("poetry" | "uv" | "pipenv" | "hatch" | "rye" | "pdm", ["run", ..])
        | ("python" | "python3", ["-m", ..]) => return one(&rest[1..].join(" ")),
        _ => {}
    }
    let has = |names: &[&str]| rest.iter().any(|word| names.contains(word));
    let first = rest.first().copied().unwrap_or_default();
    if command.contains("no test specified") {
        return Some("it is a placeholder");
    }
    let watches = has(&["--watch", "--watchAll", "--watch=true", "--watchAll=true", "--hot", "--open"])
        || (has(&["-w"])
            && matches!(program, "tsc" | "webpack" | "rollup" | "babel" | "sass" | "vitest" | "mocha" | "esbuild"));
    let ends = has(&["-d", "--detach", "--wait", "--abort-on-container-exit", "--abort-on-container-failure"])
        || rest.iter().any(|word| word.starts_with("--exit-code-from"));
    let endless = match program {
        "nodemon" | "sphinx-autobuild" | "watchexec" | "entr" | "livereload" | "http-server" | "serve" | "uvicorn"
        | "gunicorn" | "daphne" | "http.server" | "live-server" | "browser-sync" | "air" | "reflex" => true,
        "vite" => first.is_empty() || matches!(first, "dev" | "serve" | "preview") || first.starts_with("--"),
        "next" | "nuxt" | "nuxi" | "astro" | "gatsby" | "remix" | "storybook" | "docusaurus" | "wrangler" | "expo"
        | "react-scripts" | "vue-cli-service" | "webpack" | "ng" | "mkdocs" | "jekyll" | "hugo" | "vitepress"
        | "turbo" | "ember" | "netlify" | "vercel" | "parcel" | "tsup" | "tsx" | "php" | "mdbook" | "trunk"
        | "zola" => {
            matches!(first, "dev" | "start" | "serve" | "server" | "preview" | "develop" | "watch")
        }
        "npm" | "pnpm" | "yarn" | "bun" => {
            let script = if first == "run" { rest.get(1).copied().unwrap_or_default() } else { first };
            matches!(script, "start" | "dev" | "serve" | "watch")
        }
        "docker" | "docker-compose" | "podman" => has(&["up"]) && !ends,
        "cypress" | "playwright" => matches!(first, "open" | "codegen"),
        "flask" | "rails" => matches!(first, "run" | "server" | "s"),
        "manage.py" => first == "runserver",
        "tail" => has(&["-f", "-F"]),
        "cargo" => first == "watch",
        "node" => has(&["--watch"]),
        _ => false,
    };
    if waits && (watches || endless || command == "ng test" || has(&["runserver", "nodemon"])) {
        return Some(ENDLESS);
    }
    let checks =
        has(&["--check", "-check", "--diff", "--check-only", "--dry-run", "-l", "-d", "--list-different", "-c"]);
    let edits = has(&["--fix", "--write", "--apply", "--in-place", "--autofix", "-fix"])
        || match program {
            "gofmt" | "goimports" | "gofumpt" | "prettier" | "shfmt" => has(&["-w"]),
            "sed" => rest.iter().any(|word| word.starts_with("-i")),
            "cargo" => (first == "fmt" && !checks) || first == "fix",
            "black" | "isort" | "autopep8" | "rustfmt" | "autoflake" => !checks,
            "ruff" => first == "format" && !checks,
            "go" => first == "fmt",
            "terraform" => first == "fmt" && !checks,
            _ => false,
        };
    if edits {
        return Some(EDITS);
    }
    if rest.iter().any(|word| word.starts_with("--dry-run")) {
        return None;
    }
    let outside = match program {
        "git" => matches!(
            first,
            "push"
                | "commit"
                | "tag"
                | "checkout"
                | "switch"
                | "reset"
                | "clean"
                | "stash"
                | "merge"
                | "rebase"
                | "pull"
                | "add"
        ),
        "npm" | "pnpm" | "yarn" | "cargo" | "poetry" | "uv" | "flit" | "lerna" | "changeset" | "vsce" | "ovsx"
        | "hatch" => {
            matches!(first, "publish" | "version" | "unpublish")
        }
        "twine" => first == "upload",
        "docker" | "podman" | "helm" | "buildah" => matches!(first, "push" | "install" | "upgrade"),
        "gh" => matches!(first, "release" | "pr" | "workflow"),
        "goreleaser" => first == "release" && !has(&["--snapshot", "--skip=publish"]),
        "kubectl" | "terraform" | "pulumi" => matches!(first, "apply" | "delete" | "up" | "destroy"),
        "mkdocs" => first == "gh-deploy",
        "firebase" | "netlify" | "wrangler" | "vercel" | "serverless" | "sls" | "cdk" | "fly" | "flyctl" => {
            first == "deploy"
        }
        "rsync" | "scp" | "ssh" | "np" | "release-it" | "semantic-release" | "standard-version" | "bumpversion"
        | "bump2version" | "gh-pages" => true,
        _ => false,
    };
    outside.then_some(OUTSIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tasks_that_are_no_checks() {
        for (name, refusal) in [
            ("watch", true),
            ("build:watch", true),
            ("start:prod", true),
            ("dev", true),
            ("dev-server", true),
            ("docs:dev", true),
            ("preview:web", true),
            ("test-dev", false),
            ("black-preview", false),
            ("docs-live", true),
            ("e2e:open", true),
            ("lint:fix", true),
            ("format:write", true),
            ("install", true),
            ("docs-serve", true),
            ("altinstall", true),
            ("test-installed", false),
            ("up", true),
            ("build", false),
            ("developer-docs", false),
            ("prefix", false),
            ("test-started", false),
            ("openapi", false),
            ("open-api", false),
        ] {
            assert_eq!(by_name(name).is_some(), refusal, "{name}");
        }
    }

    #[test]
    fn commands_that_are_no_checks() {
        for (command, refusal) in [
            ("eslint --fix .", true),
            ("vitest --watch", true),
            ("vite dev", true),
            ("vite", true),
            ("vite build", false),
            ("echo \"Error: no test specified\" && exit 1", true),
            ("tsc -w", true),
            ("A=1 npx nodemon x", true),
            ("docker compose up", true),
            ("docker compose up -d && npm test", false),
            ("docker compose up --abort-on-container-exit", false),
            ("docker compose up --exit-code-from=tests", false),
            ("docker compose up \\\n  --detach", false),
            ("npm run dev & npm test", false),
            ("npm start > log 2>&1 &\nnpm test", false),
            ("npm test & npm run dev", true),
            ("cargo publish --dry-run", false),
            ("kubectl apply --dry-run=client -f x", false),
            ("\t@git push origin main", true),
            ("git diff --exit-code", false),
            ("git checkout -b x", true),
            ("cargo fmt", true),
            ("cargo fmt --all -- --check", false),
            ("cargo test", false),
            ("poetry run black .", true),
            ("poetry run black --check .", false),
            ("storybook dev", true),
            ("storybook build", false),
            ("sphinx-autobuild docs out", true),
            ("gofmt -l .", false),
            ("gofmt -w .", true),
            ("prettier --write .", true),
            ("node server.js", false),
            ("vitest run", false),
            ("tsc -b", false),
            ("python -m http.server", true),
            ("yarn start", true),
            ("npm publish", true),
        ] {
            assert_eq!(refused("x", command).is_some(), refusal, "{command}");
        }
        assert!(acts_outside("make\ngit push origin x") && !acts_outside("git fetch && git diff"));
        // A task that says what it does runs when it is asked for.
        assert!(refused("release", "npm publish").is_none() && refused("release", "vite dev").is_some());
    }
}

//! One entry of `steps`. Pure.

use super::command::{self, Run};
use super::stage::{first_place, has_key, name_of};
use super::{Draft, about, claim, retry, reuse, variable};
use crate::base::{Millis, RepoPath, Span, Spanned, StepId};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::model::{CacheUse, EnvMode, Kind, Resources, Retries, RunOn};
use crate::config::value::put;
use crate::config::yaml::{Node, NodeKind, shorten};
use std::collections::BTreeMap;

/// A step as it is written; names are not yet looked up, globs not yet compiled.
#[derive(Default)]
pub struct StepDraft {
    /// `id`
    pub id: Option<Spanned<StepId>>,
    /// The first key, for what concerns the step as a whole.
    pub at: Span,
    /// `name`
    pub name: Option<String>,
    /// `run`
    pub run: Option<Run>,
    /// `ai`
    pub ai: Option<super::ai::AiDraft>,
    /// `ai_proxy`
    pub ai_proxy: bool,
    /// `shell`, as an argv with `{}`
    pub shell: Option<Spanned<Vec<String>>>,
    /// `dir`
    pub dir: Option<RepoPath>,
    /// `stage`
    pub stage: Option<Spanned<String>>,
    /// `needs`
    pub needs: Vec<Spanned<String>>,
    /// `after`
    pub after: Vec<Spanned<String>>,
    /// `for_each`
    pub for_each: Option<Vec<Spanned<String>>>,
    /// `inputs`
    pub inputs: Option<Vec<Spanned<String>>>,
    /// `ignore`; `None` leaves it to `kind`
    pub ignore: Option<Vec<Spanned<String>>>,
    /// `outputs`
    pub outputs: Option<Vec<Spanned<String>>>,
    /// `writes`
    pub writes: Option<Vec<Spanned<String>>>,
    /// `env`
    pub env: BTreeMap<String, Option<String>>,
    /// `timeout`; `Some(None)` is `none`
    pub timeout_ms: Option<Option<Millis>>,
    /// `grace`
    pub grace_ms: Option<Millis>,
    /// `idle_timeout`
    pub idle_timeout_ms: Option<Millis>,
    /// `retries`
    pub retries: Retries,
    /// `allow_failure`
    pub allow_failure: bool,
    /// `locks`
    pub locks: Vec<String>,
    /// `resources`
    pub resources: Resources,
    /// Where `resources.memory` is written.
    pub memory_at: Option<Span>,
    /// Where `resources.enforce: true` is written.
    pub enforce_at: Option<Span>,
    /// `when`
    pub when: Option<Spanned<String>>,
    /// `tags`
    pub tags: Vec<String>,
    /// `kind`
    pub kind: Option<Spanned<Kind>>,
    /// `run_on`
    pub run_on: Option<RunOn>,
    /// `changed_only`
    pub changed_only: bool,
    /// `leave_running`
    pub leave_running: Vec<String>,
    /// `cache`; `None` leaves it to `inputs`
    pub cache: Option<Spanned<CacheUse>>,
    /// `tools`
    pub tools: Vec<Vec<String>>,
    /// `incremental`
    pub incremental: bool,
    /// `env_mode`; `None` leaves it to `cache`
    pub env_mode: Option<EnvMode>,
    /// Variables of `env` that are secret.
    pub secrets: Vec<String>,
    /// Those of them that are in the key.
    pub sealed: Vec<String>,
}

impl StepDraft {
    /// An empty step.
    pub fn at(at: Span) -> Self {
        Self { at, ..Self::default() }
    }
}

/// `kind`
pub const KINDS: &[&str] = &["lint", "build", "test", "docs", "security", "deploy", "ai"];
/// `run_on`
pub const RUN_ON: &[&str] = &["success", "failure", "always"];
/// `env_mode`
pub const ENV_MODE: &[&str] = &["strict", "inherit"];

const MANY_GLOBS: Shape = Shape::Many(&Shape::Glob);
const MANY_TEXTS: Shape = Shape::Many(&Shape::Text);

/// The keys of a step.
pub static STEP: Table<StepDraft> = &[
    Key {
        about: about(
            "id",
            Shape::Id,
            "",
            "id: unit-tests",
            "Its name in commands, `needs` and reports: 1 to 64 letters, digits, `_`, `.` and `-`; unique ignoring case.",
        ),
        set: id,
    },
    Key {
        about: about("name", Shape::Text, "the id", "name: Unit tests", "What people read."),
        set: |s, v, cx| s.name = cx.text(v).map(|text| text.value),
    },
    Key {
        about: about(
            "run",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
            "required, or `ai`",
            "run: cargo test --workspace",
            "What it executes: a text for `shell`, or a list of a program and its arguments, which no shell sees. It is \
             never templated with data.",
        ),
        set: command::run,
    },
    Key {
        about: about(
            "ai",
            super::ai::STEP_SHAPE,
            "required, or `run`",
            "ai: {persona: code_reviewer, files: [\"src/**\"], each: true}",
            "Asks a model, instead of `run`: see [AI.md](AI.md).",
        ),
        set: super::ai::decode_step,
    },
    Key {
        about: about(
            "ai_proxy",
            Shape::Bool,
            "false",
            "ai_proxy: true",
            "What it asks of AI services goes through wf's caching proxy (`OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`).",
        ),
        set: |s, v, cx| put(&mut s.ai_proxy, cx.boolean(v)),
    },
    Key {
        about: about(
            "kind",
            Shape::Words(KINDS),
            "none",
            "kind: test",
            "What it is for. It sets the default of `ignore` (see [kinds](#kinds)); a `deploy` step runs only when asked for.",
        ),
        set: |s, v, cx| s.kind = cx.word(v, KINDS).map(|kind| Spanned::new(kind, v.at)),
    },
    Key {
        about: about(
            "dir",
            Shape::Text,
            "the root, or the folder of an instance",
            "dir: services/api",
            "The folder it runs in, relative to the repository's root.",
        ),
        set: |s, v, cx| s.dir = cx.text(v).and_then(|text| cx.folder(&text)),
    },
    Key {
        about: about(
            "shell",
            Shape::Either(&[Shape::Words(&["sh", "bash"]), Shape::Text, Shape::List(&Shape::Text)]),
            "sh",
            "shell: bash",
            "What reads a `run` text: `sh` is `sh -e -c`, `bash` is `bash -eo pipefail -c`; anything else is an argv \
             with `{}` where the text goes, such as `[python3, -c, \"{}\"]`.",
        ),
        set: command::shell,
    },
    Key {
        about: about(
            "stage",
            Shape::Text,
            "the latest stage of what it waits for, else the first",
            "stage: check",
            "The stage it belongs to.",
        ),
        set: |s, v, cx| s.stage = cx.text(v),
    },
    Key {
        about: about(
            "needs",
            MANY_TEXTS,
            "none",
            "needs: [build]",
            "Steps whose outputs it uses: it runs after them, and when they run. `^build` is the `build` of the folders that this instance's folder depends on.",
        ),
        set: |s, v, cx| put(&mut s.needs, cx.texts(v)),
    },
    Key {
        about: about(
            "after",
            MANY_TEXTS,
            "none",
            "after: [lint]",
            "Steps that must have passed before, without using anything of theirs.",
        ),
        set: |s, v, cx| put(&mut s.after, cx.texts(v)),
    },
    Key {
        about: about(
            "for_each",
            MANY_GLOBS,
            "one step",
            "for_each: \"services/*/\"",
            "One instance for each folder that matches, called `id@folder`.",
        ),
        set: |s, v, cx| s.for_each = cx.texts(v),
    },
    Key {
        about: about(
            "inputs",
            MANY_GLOBS,
            "everything but what `ignore` names",
            "inputs: [\"src/**\", Cargo.toml, Cargo.lock]",
            "The files it watches: it can be skipped when none of them changed. `./x` is relative to `dir`.",
        ),
        set: inputs,
    },
    Key {
        about: about(
            "ignore",
            MANY_TEXTS,
            "what `kind` says, if there are no `inputs`",
            "ignore: [docs]",
            "Categories it does not watch. `[]` watches all of them, whatever `kind` says.",
        ),
        set: |s, v, cx| s.ignore = cx.texts(v),
    },
    Key {
        about: about(
            "outputs",
            MANY_GLOBS,
            "none",
            "outputs: [\"dist/**\"]",
            "The files it produces. Other steps watch them only if they need this one.",
        ),
        set: |s, v, cx| s.outputs = cx.texts(v),
    },
    Key {
        about: about(
            "writes",
            MANY_GLOBS,
            "none",
            "writes: [\"src/**/*.rs\"]",
            "The files it edits in place (formatters, generators): it never overlaps a step that watches or produces them.",
        ),
        set: |s, v, cx| s.writes = cx.texts(v),
    },
    Key {
        about: about(
            "env",
            Shape::Either(&[Shape::MapOf(&variable::SHAPE), MANY_TEXTS]),
            "none",
            "env: {RUSTFLAGS: -Dwarnings, CI_TOKEN: }",
            "Variables it depends on: a value, nothing to pass the caller's through, or a mapping with the details. A list \
             passes all its names through.",
        ),
        set: command::env,
    },
    Key {
        about: about(
            "env_mode",
            Shape::Words(ENV_MODE),
            "strict if it is cached, else inherit",
            "env_mode: strict",
            "What of the caller's environment it gets: `strict` is the [base list](#the-base-list) and what `env` \
             declares, `inherit` is all of it, whatever its key says. `wf check --lint` shows the risk.",
        ),
        set: |s, v, cx| s.env_mode = cx.word(v, ENV_MODE).or(s.env_mode),
    },
    Key {
        about: about(
            "cache",
            reuse::SHAPE,
            "true with `inputs`, else false",
            "cache: false",
            "Whether its result is taken from the cache where one was made by the very same command, files, variables and \
             tools. Never for deployments, manual steps, and those that follow a failure.",
        ),
        set: reuse::decode_into,
    },
    Key {
        about: about(
            "tools",
            MANY_TEXTS,
            "none",
            "tools: [rustc --version]",
            "Programs whose versions its result depends on, each with the arguments that make it print that. Asked once for \
             each run, by no shell; one that fails makes the step uncacheable.",
        ),
        set: command::tools,
    },
    Key {
        about: about(
            "incremental",
            Shape::Bool,
            "false",
            "incremental: true",
            "It builds on what it made before: outputs of earlier runs stay where they are when it runs, and of its result \
             only the verdict is kept.",
        ),
        set: |s, v, cx| put(&mut s.incremental, cx.boolean(v)),
    },
    Key {
        about: about(
            "timeout",
            Shape::Either(&[Shape::Duration, Shape::Words(&["none"])]),
            "`step_timeout`",
            "timeout: 10m",
            "The longest one attempt may take; `none` lifts `step_timeout`.",
        ),
        set: |s, v, cx| {
            let none = matches!(&v.kind, NodeKind::Scalar { text, .. } if text == "none");
            s.timeout_ms = if none { Some(None) } else { cx.duration(v).map(Some) };
        },
    },
    Key {
        about: about(
            "grace",
            Shape::Duration,
            "10s",
            "grace: 30s",
            "From the polite signal (TERM) to the deadly one (KILL).",
        ),
        set: |s, v, cx| s.grace_ms = cx.duration(v),
    },
    Key {
        about: about(
            "idle_timeout",
            Shape::Duration,
            "10m with `CI`, else a warning",
            "idle_timeout: 5m",
            "The longest time without output and without CPU use.",
        ),
        set: |s, v, cx| s.idle_timeout_ms = cx.duration(v),
    },
    Key {
        about: about(
            "retries",
            retry::SHAPE,
            "0",
            "retries: 2",
            "How often to try again, or a mapping with the details.",
        ),
        set: retry::decode_into,
    },
    Key {
        about: about(
            "allow_failure",
            Shape::Bool,
            "false",
            "allow_failure: true",
            "Its failure is a warning: it counts as passed for those that wait for it and for the exit code.",
        ),
        set: |s, v, cx| put(&mut s.allow_failure, cx.boolean(v)),
    },
    Key {
        about: about("locks", MANY_TEXTS, "none", "locks: [database]", "Names that only one running step may hold."),
        set: |s, v, cx| put(&mut s.locks, cx.names(v)),
    },
    Key {
        about: about(
            "resources",
            claim::SHAPE,
            "one CPU",
            "resources: {cpu: 2, memory: 1GiB}",
            "What it claims while it runs.",
        ),
        set: |s, v, cx| decode(cx, v, &[claim::CLAIM], "`resources`", s),
    },
    Key {
        about: about(
            "when",
            Shape::Trigger,
            "always",
            "when: code_changes or dependencies_changes",
            "When it runs at all; see [triggers](#triggers).",
        ),
        set: |s, v, cx| s.when = cx.text(v),
    },
    Key {
        about: about("tags", MANY_TEXTS, "none", "tags: [slow]", "Labels for `--tag`."),
        set: |s, v, cx| put(&mut s.tags, cx.names(v)),
    },
    Key {
        about: about(
            "run_on",
            Shape::Words(RUN_ON),
            "success",
            "run_on: always",
            "After what it runs: `success` of all it waits for, `failure` of any, or `always` (clean-up: also after fail-fast and the first Ctrl-C).",
        ),
        set: |s, v, cx| s.run_on = cx.word(v, RUN_ON),
    },
    Key {
        about: about(
            "changed_only",
            Shape::Bool,
            "false",
            "changed_only: true",
            "It gets the lists of changed files (`WF_CHANGED_FILES`, `WF_CHANGED_FILES_PRESENT`) and `WF_BASE`; its result holds for that base and list alone.",
        ),
        set: |s, v, cx| put(&mut s.changed_only, cx.boolean(v)),
    },
    Key {
        about: about(
            "leave_running",
            MANY_TEXTS,
            "none",
            "leave_running: [gradle-daemon]",
            "Names of processes that may outlive it; others are reported and killed.",
        ),
        set: |s, v, cx| put(&mut s.leave_running, cx.names(v)),
    },
];

/// The shape of [`STEP`].
pub const SHAPE: Shape = Shape::Object("step", keys, &["id", "run|ai"]);

fn keys() -> Vec<&'static About> {
    abouts(STEP)
}

/// `steps`
pub fn decode_all(d: &mut Draft, node: &Node, cx: &mut Cx) {
    let NodeKind::Seq(items) = &node.kind else {
        d.steps_torn = true;
        let error = ConfigError::new(node.at, format!("`steps` is a list, not {}", node.describe()));
        return cx.error(error.hint("write `- id: build`, and its other keys below"));
    };
    for item in items {
        let mut step = StepDraft::at(first_place(item));
        let key = name_of(item, "id").unwrap_or_default();
        cx.below(&key, |cx| decode(cx, item, &[STEP], "a step", &mut step));
        d.steps_torn |= step.id.is_none();
        if matches!(item.kind, NodeKind::Map(_)) {
            for (required, example) in [("id", "id: build"), ("run", "run: make")] {
                let other = required == "run" && (has_key(item, "ai") || has_slip(item, "ai"));
                if !has_key(item, required) && !has_slip(item, required) && !other {
                    let error = ConfigError::new(step.at, format!("this step has no `{required}`"));
                    cx.error(error.hint(format!("add `{example}`")));
                }
            }
        }
        d.steps.push(step);
    }
}

/// Is a required key misspelt? Then that is the error, and its absence is not another.
fn has_slip(node: &Node, key: &str) -> bool {
    let known: Vec<_> = STEP.iter().map(|key| key.about.name).collect();
    matches!(&node.kind, NodeKind::Map(entries) if entries.iter().any(|(name, _)| {
        !known.contains(&name.value.as_str())
            && crate::base::suggest::nearest(&name.value, known.iter().copied()) == Some(key)
    }))
}

/// `inputs`. The word `auto` is kept free for inputs that wf finds out: as a pattern it would match one file, and skip all.
fn inputs(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    if matches!(&node.kind, NodeKind::Scalar { text, plain: true } if text == "auto") {
        let error = ConfigError::new(node.at, "`inputs: auto` is not supported by this version of wf");
        return cx.error(error.hint("name them; a file called so is `[auto]`"));
    }
    s.inputs = cx.texts(node);
}

fn id(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    let Some(text) = cx.text(node) else { return };
    if let Ok(id) = StepId::parse(&text.value) {
        s.id = Some(Spanned::new(id, text.at));
    } else {
        let message = format!("`{}` is not a step id", shorten(&text.value));
        let hint = "use 1 to 64 letters, digits, `_`, `.` or `-`, starting with a letter or digit";
        cx.error(ConfigError::new(text.at, message).hint(hint));
    }
}

//! What a step executes, by which shell, with which variables. Pure.

use super::step::StepDraft;
use super::variable;
use crate::base::Spanned;
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::value::did_you_mean;
use crate::config::yaml::{Node, NodeKind, shorten};

/// `run`
pub enum Run {
    /// A text for a shell.
    Text(String),
    /// A program and its arguments.
    Argv(Vec<String>),
}

/// `run`
pub fn run(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    s.run = match &node.kind {
        NodeKind::Seq(items) if items.is_empty() => {
            cx.error(ConfigError::new(node.at, "an empty command").hint("write `[program, argument]`"));
            None
        }
        NodeKind::Seq(_) => cx.names(node).map(Run::Argv),
        _ => cx.text(node).filter(|text| no_nul(cx, text)).map(|text| Run::Text(text.value)),
    };
    if let Some(Run::Text(text)) = &s.run
        && text.trim().is_empty()
    {
        cx.error(ConfigError::new(node.at, "an empty command").hint("write `run: true` for a step that does nothing"));
    }
}

/// No argument of a process can hold a NUL byte.
fn no_nul(cx: &mut Cx, text: &Spanned<String>) -> bool {
    let fine = !text.value.contains('\0');
    if !fine {
        cx.error(ConfigError::new(text.at, "a command cannot contain a NUL byte"));
    }
    fine
}

/// `shell`
pub fn shell(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    let argv = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let shell = match &node.kind {
        NodeKind::Seq(_) => cx.names(node),
        _ => cx.text(node).map(|text| match text.value.as_str() {
            "sh" => argv(&["sh", "-e", "-c", "{}"]),
            "bash" => argv(&["bash", "-eo", "pipefail", "-c", "{}"]),
            other => shlex::split(other).unwrap_or_else(|| vec![other.to_owned()]),
        }),
    };
    let Some(shell) = shell else { return };
    if shell.iter().skip(1).any(|part| part == "{}") {
        s.shell = Some(Spanned::new(shell, node.at));
    } else {
        let near = shell.first().and_then(|first| did_you_mean(first, ["sh", "bash"]));
        let example = shell.first().map_or("zsh", String::as_str);
        let error = ConfigError::new(node.at, "a shell is `sh`, `bash`, or an argv with `{}` where the text goes");
        cx.error(error.hint(near.unwrap_or_else(|| format!("for example `[{example}, -c, \"{{}}\"]`"))));
    }
}

/// Variables that wf itself sets for steps.
const OURS: &[&str] = &["WF_ATTEMPT", "WF_BASE", "WF_CHANGED_FILES", "WF_CHANGED_FILES_PRESENT", "WF_DIR", "WF_STEP"];

/// A name that a variable can have.
pub fn variable_name(cx: &mut Cx, node: &Node) -> Option<String> {
    let text = cx.text(node)?;
    check_name(cx, &text).then_some(text.value)
}

fn check_name(cx: &mut Cx, name: &Spanned<String>) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.value.chars().all(fine) {
        return true;
    }
    let error = ConfigError::new(name.at, format!("`{}` is not a name for a variable", shorten(&name.value)));
    cx.error(error.hint("use letters, digits and `_`, not starting with a digit"));
    false
}

/// `env`
pub fn env(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    let NodeKind::Map(entries) = &node.kind else {
        let names = cx.many(node, variable_name).unwrap_or_default();
        s.env.extend(names.into_iter().map(|name| (name, None)));
        return;
    };
    for (name, value) in entries {
        if OURS.contains(&name.value.as_str()) {
            cx.error(ConfigError::new(name.at, format!("`{}` is set by wf", name.value)).hint("choose another name"));
        } else if check_name(cx, name) {
            cx.said(&name.value, None, name.at);
            cx.below(&name.value, |cx| variable::decode_into(s, &name.value, value, cx));
        }
    }
}

/// `tools`
pub fn tools(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    for probe in cx.texts(node).unwrap_or_default() {
        match shlex::split(&probe.value) {
            Some(argv) if argv.iter().any(|word| is_shell(word)) => {
                let error = ConfigError::new(probe.at, "a probe is a program and its arguments; no shell reads it");
                cx.error(error.hint("put it into a script, and name that"));
            }
            Some(argv) if !argv.is_empty() && no_nul(cx, &probe) => {
                if !s.tools.contains(&argv) {
                    s.tools.push(argv);
                }
            }
            Some(_) => cx.error(ConfigError::new(probe.at, "an empty probe").hint("write one like `rustc --version`")),
            None => {
                let message = format!("`{}` has a quote without its partner", shorten(&probe.value));
                cx.error(ConfigError::new(probe.at, message).hint("quote like in a shell: `tool --arg 'two words'`"));
            }
        }
    }
}

/// Is it a word that only a shell would act on?
fn is_shell(word: &str) -> bool {
    matches!(word, "|" | "||" | "&" | "&&" | ";" | ">" | ">>" | "<" | "2>&1")
        || word.contains("$(")
        || word.contains('`')
}

//! The personas and prompts there are: built in, and the project's own.

use super::variables::{Scope, Uses, check, tried};
use crate::ai::problem::{Kind, Problem};
use crate::base::{Digest, suggest};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A template is a page or two; more is a mistake.
const LARGEST: u64 = 256 * 1024;

/// A template's text: borrowed if it is built in.
pub type Text = Cow<'static, str>;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persona {
    /// Its name.
    pub name: String,
    /// For people.
    pub about: String,
    /// The prompt it is for, if a step names none.
    pub prompt: Option<String>,
    /// What the model is told of itself.
    pub text: Text,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// For people.
    pub about: String,
    /// What is wanted.
    pub wants: Wants,
    /// The template.
    pub text: Text,
}

/// The name of a prompt that is given as its text.
const INLINE: &str = "inline";

impl Prompt {
    /// Was its text given, and no name?
    pub fn is_inline(&self) -> bool {
        self.name == INLINE
    }
}

/// What an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// Any text.
    #[default]
    Text,
    /// Findings, by the schema.
    Findings,
}

/// Where templates come from.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The project's own folder.
    pub folder: Option<PathBuf>,
}

macro_rules! files {
    ($kind:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../templates/", $kind, "/", $name, ".md")))),+]
    };
}

const PERSONAS: &[(&str, &str)] = files!("personas":
    "code_reviewer",
    "consistency_checker",
    "documentation_specialist",
    "front_end_developer",
    "prompt_engineer",
    "security_reviewer",
    "test_engineer",
    "ux_designer",
    "version_manager",
);
const PROMPTS: &[(&str, &str)] = files!("prompts":
    "answer",
    "consistency",
    "document",
    "review",
    "security",
    "summary",
    "tests",
    "ux",
    "version",
);

/// Digest of all built-in templates: what a wf of another version might say otherwise.
pub fn built_in() -> &'static Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    DIGEST.get_or_init(|| Digest::of_json(&(PERSONAS, PROMPTS)))
}

/// The names of the built-in personas and of the built-in prompts, each with what it is for.
pub fn names() -> [Vec<(&'static str, String)>; 2] {
    let about = |all: &'static [(&'static str, &'static str)]| {
        all.iter().map(|(name, text)| (*name, head(text).0.get("about").cloned().unwrap_or_default())).collect()
    };
    [about(PERSONAS), about(PROMPTS)]
}

impl Library {
    /// A persona by its name.
    ///
    /// # Errors
    /// There is none, or its file cannot be read.
    pub fn persona(&self, name: &str) -> Result<Persona, Problem> {
        let (head, text) = self.text("personas", name, PERSONAS)?;
        Ok(Persona {
            name: name.to_owned(),
            about: head.get("about").cloned().unwrap_or_default(),
            prompt: head.get("prompt").cloned(),
            text,
        })
    }

    /// A prompt: by its name, or the text itself if it has more than one word.
    ///
    /// # Errors
    /// There is none of this name, its head is wrong, or its file cannot be read.
    pub fn prompt(&self, name: &str) -> Result<Prompt, Problem> {
        if name.trim().contains(char::is_whitespace) {
            let text = format!(
                "{name}\n{{% for file in files %}}\n<file path=\"{{{{ file.path }}}}\">\n{{{{ file.content }}}}\n</file>\n{{% endfor %}}"
            );
            return Ok(Prompt { name: INLINE.into(), about: String::new(), wants: Wants::Text, text: text.into() });
        }
        let (head, text) = self.text("prompts", name, PROMPTS)?;
        let wants = match head.get("answer").map(String::as_str) {
            None | Some("text") => Wants::Text,
            Some("findings") => Wants::Findings,
            Some(other) => {
                let message =
                    format!("the prompt `{name}` asks for `answer: {other}`, which is neither text nor findings");
                return Err(Problem::new(Kind::Input, message));
            }
        };
        let about = head.get("about").cloned().unwrap_or_default();
        Ok(Prompt { name: name.to_owned(), about, wants, text })
    }

    /// The persona and the prompt of a step, and what they use.
    ///
    /// # Errors
    /// One is missing, or uses what does not exist or, with `each`, does not belong.
    pub fn both(
        &self,
        persona: Option<&str>,
        prompt: Option<&str>,
        each: bool,
    ) -> Result<(Option<Persona>, Prompt, Uses), Problem> {
        let scope = if each { Scope::File } else { Scope::Run };
        let persona = persona.map(|name| self.persona(name)).transpose()?;
        let named = prompt.or(persona.as_ref().and_then(|persona| persona.prompt.as_deref()));
        let prompt = self.prompt(named.unwrap_or("answer"))?;
        let mut uses = used(&prompt.name, &prompt.text, scope)?;
        if let Some(persona) = &persona {
            let also = used(&persona.name, &persona.text, scope)?;
            uses.wide.extend(also.wide);
            uses.files |= also.files;
        }
        Ok((persona, prompt, uses))
    }

    fn text(&self, kind: &str, name: &str, known: &[(&str, &'static str)]) -> Result<(Head, Text), Problem> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(Problem::new(Kind::Input, format!("`{name}` is not a name of a template")));
        }
        if let Some(folder) = &self.folder {
            let path = folder.join(kind).join(format!("{name}.md"));
            if let Some(text) = read(&path)? {
                let (head, body) = head(&text);
                return Ok((head, body.to_owned().into()));
            }
        }
        if let Some((_, text)) = known.iter().find(|(own, _)| *own == name) {
            let (head, body) = head(text);
            return Ok((head, body.into()));
        }
        let one = kind.trim_end_matches('s');
        let near = suggest::nearest(name, known.iter().map(|(own, _)| *own));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(Problem::new(Kind::Input, format!("there is no {one} called `{name}`{near}")))
    }
}

fn read(path: &Path) -> Result<Option<String>, Problem> {
    let failed =
        |why: &dyn std::fmt::Display| Problem::new(Kind::Input, format!("{} cannot be read: {why}", path.display()));
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error)),
        Ok(meta) if !meta.is_file() => Err(failed(&"it is no file")),
        Ok(meta) if meta.len() > LARGEST => Err(failed(&"it is longer than 256 KiB")),
        Ok(_) => std::fs::read_to_string(path).map(Some).map_err(|error| failed(&error)),
    }
}

/// What a template uses. Of those that are built in, the tests know that they can be filled in.
fn used(name: &str, text: &Text, scope: Scope) -> Result<Uses, Problem> {
    let uses = check(name, text, scope)?;
    if let Cow::Owned(text) = text {
        tried(name, text, scope, &uses)?;
    }
    Ok(uses)
}

/// What stands at the top of a template's file.
type Head = BTreeMap<String, String>;

/// The head between lines of `---`, one `name: value` on a line, and the rest.
fn head(text: &str) -> (Head, &str) {
    let Some((head, body)) = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")) else {
        return (Head::new(), text);
    };
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    (
        pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect(),
        body.trim_start_matches('\n'),
    )
}

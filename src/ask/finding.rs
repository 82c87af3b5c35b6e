//! What a model found: files, lines, severities, messages. Pure.
//!
//! An answer is hostile: only files that were shown to the model can be named, lines are lines of those, and a message is
//! one line of printable text.

use crate::base::RepoPath;
use crate::config::model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// Longer messages are cut.
const LONGEST: usize = 2_000;
/// More findings of one answer are not believed.
const MOST: usize = 1_000;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The file, from the repository's root; none: the change as a whole.
    pub file: Option<RepoPath>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub message: String,
}

/// A structured answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// A few words on the whole.
    pub summary: String,
}

/// A file that was shown, with its number of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its path.
    pub path: RepoPath,
    /// Its lines.
    pub lines: u32,
}

/// The JSON schema that a model is given: every key is required and no other allowed, as strict modes ask for.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["findings", "summary"],
        "properties": {
            "summary": { "type": "string", "description": "One sentence on the whole." },
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["file", "line", "severity", "message"],
                    "properties": {
                        "file": { "type": ["string", "null"], "description": "Path as it was given." },
                        "line": { "type": ["integer", "null"], "description": "Line number, from 1." },
                        "severity": { "type": "string", "enum": ["error", "warning", "note"] },
                        "message": { "type": "string", "description": "What is wrong and what to do, in one line." }
                    }
                }
            }
        }
    })
}

/// As a model writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    findings: Vec<WrittenFinding>,
    #[serde(default)]
    summary: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFinding {
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    line: Option<u64>,
    severity: Severity,
    message: String,
}

/// Reads a structured answer, alone or in a fenced block. A file that was not shown becomes part of the message, and a line
/// beyond its file is left out: neither may lead anybody elsewhere.
///
/// # Errors
/// What of the schema it breaks.
pub fn parse(text: &str, shown: &[Shown]) -> Result<Findings, String> {
    let written: Written = serde_json::from_str(unfenced(text)).map_err(|error| error.to_string())?;
    if written.findings.len() > MOST {
        return Err(format!("{} findings; more than {MOST} are not believed", written.findings.len()));
    }
    let mut findings: Vec<Finding> = written.findings.into_iter().map(|written| known(written, shown)).collect();
    findings.sort();
    findings.dedup();
    Ok(Findings { findings, summary: one_line(&written.summary) })
}

fn known(written: WrittenFinding, shown: &[Shown]) -> Finding {
    let message = one_line(&written.message);
    let named = written.file.as_deref().map(|name| name.trim().trim_start_matches("./"));
    let file = named.and_then(|name| shown.iter().find(|file| file.path.as_bytes() == name.as_bytes()));
    // Who shows one file and is told of none in particular, is told of that.
    let file = file.or_else(|| shown.first().filter(|_| shown.len() == 1 && named.is_none_or(str::is_empty)));
    let line = written.line.and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
    match (file, named) {
        (Some(file), _) => Finding {
            file: Some(file.path.clone()),
            line: line.filter(|line| *line <= file.lines.max(1)),
            severity: written.severity,
            message,
        },
        (None, Some(name)) if !name.is_empty() => {
            let message = one_line(&format!("{name}: {message}"));
            Finding { file: None, line: None, severity: written.severity, message }
        }
        (None, _) => Finding { file: None, line: None, severity: written.severity, message },
    }
}

/// What stands in the first fenced block, or all of it if there is none.
fn unfenced(text: &str) -> &str {
    let Some((_, inside)) = text.split_once("```") else { return text.trim() };
    let body = inside.split_once('\n').map_or(inside, |(_, body)| body);
    body.split("```").next().unwrap_or(body).trim()
}

/// Without line breaks, control characters and characters that change the direction of a text.
pub fn one_line(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().filter(|c| !turns(*c)).take(LONGEST).collect()
}

/// As compilers print it, so that editors and CI services find the place.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:{}: ", self.line.unwrap_or(1))?;
        }
        write!(f, "{}: {}", self.severity.name(), self.message)
    }
}

impl Finding {
    /// Reads what [`Finding`] prints; `None` for any other line.
    pub fn from_line(line: &str) -> Option<Self> {
        let severity =
            |word: &str| [Severity::Note, Severity::Warning, Severity::Error].into_iter().find(|s| s.name() == word);
        let (head, message) = line.split_once(": ")?;
        if let Some(severity) = severity(head) {
            return Some(Self { file: None, line: None, severity, message: one_line(message) });
        }
        let (file, number) = head.rsplit_once(':')?;
        let number: u32 = number.parse().ok()?;
        // `file:line:column`, as most compilers have it.
        let (file, number) = match file.rsplit_once(':').map(|(file, line)| (file, line.parse::<u32>())) {
            Some((file, Ok(line))) => (file, line),
            _ => (file, number),
        };
        let (word, message) = message.split_once(": ")?;
        let file = RepoPath::root().join(file.as_bytes()).filter(|path| !path.is_root())?;
        Some(Self { file: Some(file), line: Some(number), severity: severity(word)?, message: one_line(message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Vec<Shown> {
        let file = |path: &str, lines| Shown { path: RepoPath::from_bytes(path.as_bytes()), lines };
        vec![file("src/a.rs", 10), file("b.md", 2)]
    }

    fn lines(text: &str) -> Vec<String> {
        parse(text, &shown()).unwrap().findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn findings_are_read_and_kept_to_what_was_shown() {
        let text = r#"Here it is:
```json
{"findings":[
 {"file":"./src/a.rs","line":3,"severity":"error","message":"off by\n one"},
 {"file":"src/a.rs","line":99,"severity":"warning","message":"beyond"},
 {"file":"/etc/passwd","line":1,"severity":"note","message":"else\u001b[31mwhere\u202e"},
 {"file":null,"line":null,"severity":"note","message":"all"}
],"summary":"fine"}
```"#;
        assert_eq!(
            lines(text),
            [
                "note: /etc/passwd: else [31mwhere",
                "note: all",
                "src/a.rs:1: warning: beyond",
                "src/a.rs:3: error: off by one"
            ]
        );
        let one = parse(r#"{"findings":[{"severity":"note","message":"x"}]}"#, &shown()[..1]).unwrap();
        assert_eq!(one.findings[0].to_string(), "src/a.rs:1: note: x");
    }

    #[test]
    fn what_breaks_the_schema_is_refused() {
        for text in [
            "",
            "looks good to me",
            "[]",
            r#"{"findings":"none"}"#,
            r#"{"findings":[{"severity":"fatal","message":"x"}]}"#,
            r#"{"findings":[{"message":"x"}]}"#,
            r#"{"findings":[],"note":"more"}"#,
        ] {
            assert!(parse(text, &shown()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_schema_is_what_is_checked() {
        let check = jsonschema::validator_for(&schema()).unwrap();
        let good = json!({"summary": "s", "findings": [{"file": null, "line": 2, "severity": "note", "message": "m"}]});
        assert!(check.is_valid(&good) && parse(&good.to_string(), &[]).is_ok());
        let bad = json!({"summary": "s", "findings": [{"file": null, "line": 2, "severity": "bad", "message": "m"}]});
        assert!(!check.is_valid(&bad) && parse(&bad.to_string(), &[]).is_err());
    }

    #[test]
    fn printed_findings_are_read_again() {
        assert_eq!(Finding::from_line("a.c:3:7: error: x").unwrap().to_string(), "a.c:3: error: x");
        for line in ["src/a b.rs:3: error: off: by one", "note: all", "b.md:1: warning: x"] {
            assert_eq!(Finding::from_line(line).unwrap().to_string(), line);
        }
        for line in
            ["src/a.rs:3: fatal: x", "src/a.rs: error: x", "/etc/passwd:1: error: x", "../x:1: error: y", "hello"]
        {
            assert_eq!(Finding::from_line(line), None, "{line}");
        }
    }
}

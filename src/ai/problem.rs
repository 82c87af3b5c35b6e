//! What can go wrong when a model is asked, and what to do about it.

use crate::ask::OverBudget;
use std::fmt;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Which kind.
    pub kind: Kind,
    /// What happened, in the service's words where it has some; one line, without secrets.
    pub message: String,
    /// The file that was asked about, if it was one.
    pub file: Option<String>,
}

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The key is missing or not accepted.
    Auth,
    /// The account's money or allowance is used up.
    Quota,
    /// The request is longer than the model's context.
    TooLong,
    /// The service is overloaded or limits the rate; trying again later may help.
    Overloaded,
    /// The model declined for reasons of policy.
    Refused,
    /// The answer stops at the limit of tokens.
    Truncated,
    /// The answer is not what was asked for.
    Malformed,
    /// The service cannot be reached, or the connection broke.
    Network,
    /// The service says that the request is wrong.
    Request,
    /// The program that answers failed.
    Program,
    /// wf's own limit would be exceeded.
    Budget,
    /// `--ai=replay`, and nothing is recorded for this.
    NotRecorded,
    /// A template is missing or wrong, or a file cannot be read.
    Input,
    /// A template uses what does not exist, or does not belong.
    Template,
    /// The recording itself cannot be read.
    Recording,
    /// The service answers, and with what no AI service says.
    NoApi,
    /// A signal ended it.
    Interrupted,
}

impl Kind {
    /// May the same request succeed a moment later?
    pub fn passes(self) -> bool {
        matches!(self, Self::Overloaded | Self::Network)
    }

    /// Does every other request fail for the same reason?
    pub fn ends(self) -> bool {
        matches!(
            self,
            Self::Auth
                | Self::Quota
                | Self::Budget
                | Self::NotRecorded
                | Self::Input
                | Self::Template
                | Self::Recording
                | Self::NoApi
                | Self::Interrupted
        )
    }

    /// What to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Auth => "set the variable that `api_key_env` names to a valid key",
            Self::Quota => "add credit, or choose another model or account",
            Self::TooLong => "ask about fewer or smaller files, or use `each: true`",
            Self::Overloaded => "try again later, or set `requests_per_minute` below the service's limit",
            Self::Refused => "say in the prompt what the text is for, or leave that file out",
            Self::Truncated => "raise `max_tokens`",
            Self::Malformed => "use a model that can answer in JSON, or a prompt that asks for text",
            Self::Network => "check `base_url` and the network; `wf ai run` tries one request by hand",
            Self::Request => "check `model` and the parameters against what the service offers",
            Self::Program => "run the program by hand with a prompt on its standard input",
            Self::Budget => "raise `budget`, or ask about fewer files",
            Self::NotRecorded => "run `wf ai record` where a key is at hand, and commit `ai.lock`",
            Self::Input => "`wf ai personas` lists what there is",
            Self::Template => {
                "variables: project.kind, project.language, files (each with path, content, language), file.path, \
                 file.content, file.language, part.number, part.of, part.first_line, change.summary, change.files, diff, \
                 steps.ID; docs/AI.md says which belong where"
            }
            Self::Recording => "remove `ai.lock` and record again with `wf ai record`",
            Self::NoApi => {
                "`base_url` is the address of an API, such as `http://127.0.0.1:8000/v1`, and not of a web page"
            }
            Self::Interrupted => "run it again; what was answered before is known",
        }
    }
}

impl Problem {
    /// Says it; the message is cut to one line.
    pub fn new(kind: Kind, message: impl AsRef<str>) -> Self {
        Self { kind, message: crate::ask::finding::one_line(message.as_ref()), file: None }
    }

    /// The same, of one file.
    pub fn about(self, file: Option<&str>) -> Self {
        Self { file: file.map(str::to_owned).or(self.file), ..self }
    }
}

impl From<OverBudget> for Problem {
    fn from(over: OverBudget) -> Self {
        Self::new(Kind::Budget, format!("the request was not sent: {over}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Auth => "not authorised",
            Kind::Quota => "quota used up",
            Kind::TooLong => "too long for the model",
            Kind::Overloaded => "overloaded",
            Kind::Refused => "refused",
            Kind::Truncated => "answer cut off",
            Kind::Malformed => "not the answer that was asked for",
            Kind::Network => "no connection",
            Kind::Request => "the service did not take the request",
            Kind::Program => "the program failed",
            Kind::Budget => "over budget",
            Kind::NotRecorded => "not recorded",
            Kind::Input | Kind::Template => "cannot ask",
            Kind::Recording => "cannot be replayed",
            Kind::NoApi => "this is no AI service",
            Kind::Interrupted => "interrupted",
        };
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        write!(f, "{kind}: {}", self.message)
    }
}

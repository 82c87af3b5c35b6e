//! An AI step's work: files, questions, answers, findings, what is printed, and how it ends.

mod gather;
mod tell;

use super::asking::{self, Asker};
use super::order::Order;
use super::problem::{Kind, Problem};
use super::prompt::{self, FileText, Library, Persona, Prompt, Variables, Wants};
use super::provider::{Answer, Question};
use crate::ask::finding::{self, Shown};
use crate::ask::{Finding, split};
use crate::base::RepoPath;
use futures_util::StreamExt as _;
pub use gather::{Gathered, gather};
pub use tell::{Ended, Report, UNANSWERED};

/// What is cut because it is too long is cut to a half, so often.
const HALVINGS: u32 = 6;

/// What an order asks, checked.
pub struct Work<'a> {
    order: &'a Order,
    persona: Option<Persona>,
    prompt: Prompt,
    uses: Vec<String>,
}

/// One question about some files, or one part of one.
struct Item {
    file: Option<String>,
    variables: Variables,
    shown: Vec<Shown>,
}

/// What came of one item.
struct Answered {
    file: Option<String>,
    text: String,
    findings: Vec<Finding>,
}

impl<'a> Work<'a> {
    /// Finds the templates and checks what they use.
    ///
    /// # Errors
    /// A template is missing, or uses what does not exist or does not belong.
    pub fn new(order: &'a Order) -> Result<Self, Problem> {
        let library = Library { folder: order.templates.as_ref().map(|dir| dir.under(&order.shared.root)) };
        let (persona, prompt, uses) = library.both(order.persona.as_deref(), order.prompt.as_deref(), order.each)?;
        Ok(Self { order, persona, prompt, uses })
    }

    /// Which variables of the run its templates use.
    pub fn uses(&self) -> &[String] {
        &self.uses
    }

    /// Asks everything, a few at a time, in an order that does not depend on who answers first.
    pub async fn run(&self, gathered: Gathered, asker: &Asker<'_>) -> Report {
        let mut report = Report { skipped: gathered.skipped, ..Report::default() };
        if self.order.files != super::order::Files::None && gathered.files.is_empty() {
            return report;
        }
        let items = self.items(gathered.files, &gathered.variables);
        let together = self.order.shared.manners.batch_size.max(1) as usize;
        let mut answers =
            futures_util::stream::iter(items.into_iter().map(|item| self.answer(item, asker, 0))).buffered(together);
        while let Some(answered) = answers.next().await {
            match answered {
                Ok(parts) => parts.into_iter().for_each(|part| report.add(part, self.prompt.wants)),
                // What failed once for such a reason fails each time: nobody is asked a hundred times in vain.
                Err(problem) => {
                    let ends = matches!(
                        problem.kind,
                        Kind::Auth | Kind::Quota | Kind::Budget | Kind::NotRecorded | Kind::Input
                    );
                    report.problems.push(problem);
                    if ends {
                        break;
                    }
                }
            }
        }
        drop(answers);
        report.findings.sort();
        report.findings.dedup();
        report
    }

    fn items(&self, files: Vec<(RepoPath, String)>, variables: &Variables) -> Vec<Item> {
        let text = |(path, content): &(RepoPath, String)| FileText {
            path: path.to_string(),
            content: if self.prompt.wants == Wants::Findings { numbered(content, 1) } else { content.clone() },
            language: prompt::language(path),
        };
        let shown =
            |(path, content): &(RepoPath, String)| Shown { path: path.clone(), lines: content.lines().count() as u32 };
        let item = |some: &[(RepoPath, String)], file| Item {
            file,
            variables: Variables { files: some.iter().map(text).collect(), ..variables.clone() },
            shown: some.iter().map(shown).collect(),
        };
        if self.order.each {
            files.iter().map(|file| item(std::slice::from_ref(file), Some(file.0.to_string()))).collect()
        } else {
            vec![item(&files, None)]
        }
    }

    /// Asks one item; what is too long for the model is asked in halves.
    async fn answer(&self, item: Item, asker: &Asker<'_>, depth: u32) -> Result<Vec<Answered>, Problem> {
        let question = self.question(&item.variables)?;
        match self.ask(&question, &item, asker).await {
            Ok(answered) => Ok(vec![answered]),
            Err(problem) if problem.kind == Kind::TooLong && depth < HALVINGS => {
                let Some(halves) = halves(&item) else { return Err(problem) };
                let mut all = Vec::new();
                for half in halves {
                    all.extend(Box::pin(self.answer(half, asker, depth + 1)).await?);
                }
                Ok(all)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn ask(&self, question: &Question, item: &Item, asker: &Asker<'_>) -> Result<Answered, Problem> {
        let read = |answer: &Answer| {
            if question.wants != Wants::Findings {
                return Ok(vec![]);
            }
            let read = finding::parse(&answer.text, &item.shown);
            read.map(|read| read.findings).map_err(|error| Problem::new(Kind::Malformed, error))
        };
        let (answer, _) = asker.ask(question, item.file.as_deref(), &|answer| read(answer).map(drop)).await?;
        let findings = read(&answer)?;
        Ok(Answered { file: item.file.clone(), text: answer.text, findings })
    }

    fn question(&self, variables: &Variables) -> Result<Question, Problem> {
        let system = match &self.persona {
            Some(persona) => prompt::render(&persona.name, &persona.text, variables)?,
            None => String::new(),
        };
        let user = prompt::render(&self.prompt.name, &self.prompt.text, variables)?;
        let persona = self.persona.as_ref().map_or_else(String::new, |persona| persona.name.clone());
        Ok(Question { persona, system, user, wants: self.prompt.wants })
    }
}

/// Two items that together ask what one asked: half of the files, or half of the one file or of the diff.
fn halves(item: &Item) -> Option<Vec<Item>> {
    let with =
        |variables: Variables, shown: &[Shown]| Item { file: item.file.clone(), variables, shown: shown.to_vec() };
    let files = &item.variables.files;
    if files.len() > 1 {
        let middle = files.len() / 2;
        let of = |range: std::ops::Range<usize>| {
            let variables = Variables { files: files[range.clone()].to_vec(), ..item.variables.clone() };
            with(variables, &item.shown[range])
        };
        return Some(vec![of(0..middle), of(middle..files.len())]);
    }
    let (text, is_diff) = match files.first() {
        Some(file) => (&file.content, false),
        None => (&item.variables.diff, true),
    };
    let parts = split::parts(text, text.len().div_ceil(2).max(1));
    if parts.len() < 2 {
        return None;
    }
    let of = parts.len();
    let (_, before, first) = item.variables.part.unwrap_or((1, 1, 1));
    let items = parts.iter().enumerate().map(|(i, (line, part))| {
        let mut variables = item.variables.clone();
        variables.part = Some((i + 1, of * before, first + line - 1));
        if is_diff {
            (*part).clone_into(&mut variables.diff);
        } else {
            (*part).clone_into(&mut variables.files[0].content);
        }
        with(variables, &item.shown)
    });
    Some(items.collect())
}

/// Each line with its number before it, so that a model need not count.
fn numbered(text: &str, first: usize) -> String {
    text.lines().enumerate().map(|(at, line)| format!("{} {line}\n", at + first)).collect()
}

/// Where a recording is read from.
pub fn recording(order: &Order) -> Result<Option<super::lock::Lock>, Problem> {
    if order.shared.mode != crate::config::model::AiMode::Replay {
        return Ok(None);
    }
    let path = asking::lock_path(&order.shared.root);
    super::lock::Lock::read(&path).map(Some).map_err(|error| Problem::new(Kind::NotRecorded, error.to_string()))
}

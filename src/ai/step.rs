//! An AI step's work: files, questions, answers, findings, what is printed, and how it ends.

mod gather;
mod halve;
mod tell;

use super::asking::{self, Asker};
use super::order::Order;
use super::problem::{Kind, Problem};
use super::prompt::{self, FileText, Library, Persona, Prompt, Uses, Variables, Wants};
use super::provider::{Answer, Question};
use crate::ask::Finding;
use crate::ask::finding::{self, Shown};
use crate::base::RepoPath;
use futures_util::StreamExt as _;
use gather::is_of_change;
pub use gather::{Gathered, Printed, gather};
pub use tell::{Ended, Report, UNANSWERED};

/// What is cut because it is too long is cut to a half, so often.
const HALVINGS: u32 = 6;

/// After so many in a row that the service did not answer, nobody else is asked about.
const ENOUGH: usize = 3;

/// What an order asks, checked.
pub struct Work<'a> {
    order: &'a Order,
    persona: Option<Persona>,
    prompt: Prompt,
    uses: Uses,
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

    /// Is it asked about files, so that without any there is nothing to ask? A text of one's own may be about none.
    pub fn needs_files(&self) -> bool {
        self.uses.files && !self.prompt.is_inline() && !self.about_change()
    }

    /// Is it asked about the change?
    pub fn about_change(&self) -> bool {
        self.uses.wide.iter().any(|name| is_of_change(name))
    }

    /// Why there is nothing to ask: what it is about is empty.
    fn nothing(&self, gathered: &Gathered) -> Option<&'static str> {
        let given = self.order.files != super::order::Files::None;
        if given && gathered.files.is_empty() && (self.uses.files || !self.about_change()) {
            return Some("no file is left to ask about");
        }
        let change_alone =
            !self.uses.files && self.about_change() && self.uses.wide.iter().all(|name| is_of_change(name));
        if !change_alone || !gathered.variables.diff.is_empty() {
            return None;
        }
        match &self.order.shared.base {
            None => Some("nothing was asked: there is no base to compare with (--base)"),
            Some(_) if gathered.variables.changed.is_empty() => {
                Some("nothing was asked: nothing differs from the base")
            }
            Some(_) => None,
        }
    }

    /// Which variables of the run its templates use.
    pub fn uses(&self) -> &[String] {
        &self.uses.wide
    }

    /// Asks everything, a few at a time, in an order that does not depend on who answers first. What is known so far is in the
    /// report, also when nobody waits any more.
    pub async fn run(&self, mut gathered: Gathered, asker: &Asker<'_>, report: &mut Report) {
        let nothing = self.nothing(&gathered);
        gathered.clean(asker);
        report.skipped = std::mem::take(&mut gathered.skipped);
        if let Some(why) = nothing {
            report.nothing = Some(why);
            return;
        }
        let items = self.items(gathered.files, &gathered.variables);
        let (all, mut heard, mut silent) = (items.len(), 0, 0);
        let together = self.order.shared.manners.batch_size.max(1) as usize;
        let mut answers =
            futures_util::stream::iter(items.into_iter().map(|item| self.answer(item, asker, 0))).buffered(together);
        while let Some(answered) = answers.next().await {
            heard += 1;
            match answered {
                Ok(parts) => {
                    silent = 0;
                    for part in parts {
                        report.add(part, self.prompt.wants);
                    }
                }
                Err(problem) => {
                    silent = if problem.kind.passes() { silent + 1 } else { 0 };
                    let (kind, ends) = (problem.kind, problem.kind.ends());
                    report.problems.push(problem);
                    // What failed once for such a reason fails each time, and a service that is down stays down for a while:
                    // nobody is asked a hundred times in vain.
                    if (ends || silent >= ENOUGH) && heard < all {
                        let what = format!("the answers about {} more were not waited for", all - heard);
                        let why = if ends { "" } else { ": the service did not answer three times in a row" };
                        report.problems.push(Problem::new(kind, what + why));
                    }
                    if ends || silent >= ENOUGH {
                        break;
                    }
                }
            }
        }
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
        let question = self.question(&item.variables).map_err(|problem| problem.about(item.file.as_deref()))?;
        match self.ask(&question, &item, asker).await {
            Ok(answered) => Ok(vec![answered]),
            Err(problem) if problem.kind == Kind::TooLong && depth < HALVINGS => {
                let about_diff = self.uses.wide.iter().any(|name| name == "diff");
                let Some(halves) = halve::halves(&item, self.uses.files, about_diff) else {
                    return Err(problem.about(item.file.as_deref()));
                };
                let mut all = Vec::new();
                for half in halves {
                    all.extend(Box::pin(self.answer(half, asker, depth + 1)).await?);
                }
                Ok(all)
            }
            Err(problem) => Err(problem.about(item.file.as_deref())),
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

impl Gathered {
    /// Takes secrets out of every text while it is whole: in pieces, a key would be recognised in none.
    fn clean(&mut self, asker: &Asker<'_>) {
        let variables = &mut self.variables;
        let files = self.files.iter_mut().map(|(_, text)| text);
        let all = files.chain([&mut variables.diff, &mut variables.summary]).chain(variables.steps.values_mut());
        all.for_each(|text| asker.clean(text));
    }
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
    super::lock::Lock::read(&path).map(Some).map_err(|error| Problem::new(Kind::Recording, error.to_string()))
}

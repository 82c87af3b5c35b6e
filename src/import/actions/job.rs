//! One job as a step. Pure.

use super::changed::Rules;
use super::condition::{Started, condition, never};
use super::expression::{Known, fill, plain, secret};
use super::keys;
use super::matrix::{self, Combination};
use super::script::{Setting, script};
use crate::base::RepoPath;
use crate::config::model::Kind;
use crate::config::yaml::Node;
use crate::import::draft::{Draft, Imported, kind_of};
use crate::import::filter::union;
use crate::import::judge;
use crate::import::node::Look;
use crate::import::write::one_line;
use std::collections::{BTreeMap, BTreeSet};

/// What all jobs of a workflow have in common.
pub(super) struct Workflow<'a> {
    pub path: &'a RepoPath,
    pub root: &'a Node,
    /// The paths it runs for; none: any.
    pub filter: Option<Vec<String>>,
    /// What conditions may ask of its events.
    pub started: Started,
}

/// Variables of the workflow and a job.
#[derive(Default)]
struct Variables {
    /// Values that are written out.
    known: BTreeMap<String, String>,
    /// Secrets, whose values are handed through.
    handed: BTreeSet<String>,
    /// Those that cannot be said.
    lost: BTreeSet<String>,
}

impl Workflow<'_> {
    /// Adds the step of a job, or says why there is none.
    pub fn job(&self, id: &str, node: &Node, rules: &Rules, out: &mut Imported) {
        let needs: Vec<String> = node
            .get("needs")
            .map(|needs| needs.texts().iter().map(|(text, _)| (*text).to_owned()).collect())
            .unwrap_or_default();
        let what = format!("the job `{id}`");
        out.left_out.insert(id.to_owned(), needs.clone());
        if let Some(uses) = node.text_of("uses") {
            let why = format!("it calls the workflow `{uses}`");
            let advice = "write steps for what its jobs run";
            return out.lose(self.path, node.line(), what, why, advice);
        }
        if let Some(why) = node.text_of("if").and_then(never) {
            return out.lose(self.path, node.line(), what, why, "");
        }
        let runs_on = keys::runs_on(node);
        let nothing = BTreeMap::new();
        let elsewhere = |matrix: &Combination| {
            let known = Known { matrix, env: &nothing };
            let filled = runs_on.iter().map(|on| fill(on, &known).unwrap_or_default().to_ascii_lowercase());
            filled.into_iter().any(|on| on.starts_with("windows") || on.starts_with("macos"))
        };
        let matrix = self.matrix(id, node, &|one| !elsewhere(one), out);
        if elsewhere(&matrix) {
            let why = format!("it runs on {}", runs_on.join(", "));
            return out.lose(self.path, node.line(), what, why, "keep it where it is");
        }
        const KEYS: [&str; 15] = [
            "name",
            "needs",
            "if",
            "runs-on",
            "permissions",
            "env",
            "defaults",
            "steps",
            "outputs",
            "strategy",
            "environment",
            "timeout-minutes",
            "continue-on-error",
            "services",
            "container",
        ];
        keys::tell_unknown(node, &KEYS, &what, self.path, out);
        for key in ["services", "container"] {
            if let Some(there) = node.get(key) {
                let advice = "start what it needs before wf, or in the step";
                out.lose(self.path, there.line(), format!("`{key}` of {what}"), "wf starts no containers", advice);
            }
        }
        let default = |key: &str| {
            let of = |node: &Node| Some(node.get("defaults")?.get("run")?.text_of(key)?.to_owned());
            of(node).or_else(|| of(self.root))
        };
        let (shell, dir) = (default("shell"), default("working-directory"));
        let Variables { known: env, handed, lost } = self.env(node, &matrix, out);
        let setting = Setting {
            path: self.path,
            shell: shell.as_deref(),
            dir: dir.as_deref(),
            matrix: &matrix,
            env: &env,
            lost: &lost,
            handed: &handed,
        };
        let steps = node.get("steps").map(Look::items).unwrap_or_default();
        let Some((run, conditions)) = script(steps, &setting, out) else {
            let filters = steps.iter().any(|step| step.text_of("uses").is_some_and(super::changed::is_filter));
            if !filters {
                out.lose(self.path, node.line(), what, "nothing of it is a command that wf can run", "");
            }
            return;
        };
        if judge::is_endless(&run) {
            let advice = "let what serves run in the background, or keep the job where it is";
            return out.lose(self.path, node.line(), what, "one of its commands does not end by itself", advice);
        }
        if judge::edits(&run) {
            let why = "one of its commands edits files: here they are those of the tree that is there";
            out.lose(self.path, node.line(), what.clone(), why, "let it check only, or run it when it is asked for");
        }
        let artifacts =
            steps.iter().any(|step| step.text_of("uses").is_some_and(|uses| uses.contains("download-artifact")));
        let name = node.text_of("name").filter(|name| !name.contains("${{")).map(one_line);
        let known = Known { matrix: &matrix, env: &env };
        let both = env.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        let both = both.chain(handed.iter().map(|name| (name.clone(), None)));
        let mut draft = Draft {
            key: id.to_owned(),
            run,
            bash: true,
            kind: Self::kind(id, node),
            allow_failure: keys::may_fail(node, &known, &what, self.path, out),
            timeout: keys::timeout(node, &known, &what, self.path, out),
            env: both.collect(),
            why: format!("job `{id}` of {}", self.path),
            name,
            ..Draft::default()
        };
        if draft.kind != Some(Kind::Deploy) && judge::acts_outside(&draft.run) {
            draft.kind = Some(Kind::Deploy);
        }
        // Jobs of GitHub share nothing but what they upload: who downloads uses it, the others only follow.
        *(if artifacts { &mut draft.needs } else { &mut draft.after }) = needs;
        draft.inputs = self.inputs(id, node, &conditions, rules, out);
        out.left_out.remove(id);
        out.steps.push(draft);
    }

    /// Jobs with an environment change the world outside, whatever they are called.
    fn kind(id: &str, node: &Node) -> Option<Kind> {
        let said = kind_of(id).or_else(|| node.text_of("name").and_then(kind_of));
        if node.get("environment").is_some() { Some(Kind::Deploy) } else { said }
    }

    /// The first combination that can run here; the others are told.
    fn matrix(&self, id: &str, node: &Node, fits: &impl Fn(&Combination) -> bool, out: &mut Imported) -> Combination {
        let Some(matrix) = node.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
            return Combination::new();
        };
        // Where none can run here, any says why.
        let first = matrix::first(matrix, fits).or_else(|| matrix::first(matrix, &|_| true)).unwrap_or_default();
        let named = first.iter().filter(|(_, value)| !value.is_empty());
        let shown: Vec<String> = named.map(|(name, value)| format!("{name}={value}")).collect();
        let why = match shown.len() {
            0 => "its combinations are not known without running it".to_owned(),
            _ => format!("only the first combination is here ({})", one_line(&shown.join(", "))),
        };
        let advice = "write a step for each that you want";
        out.lose(self.path, matrix.line(), format!("the matrix of the job `{id}`"), why, advice);
        first
    }

    /// Variables of the workflow and the job; those of the job count. Secrets are handed through.
    fn env(&self, node: &Node, matrix: &Combination, out: &mut Imported) -> Variables {
        let mut env = Variables::default();
        let nothing = BTreeMap::new();
        let known = Known { matrix, env: &nothing };
        let all = [self.root.get("env"), node.get("env")];
        for (name, value) in all.into_iter().flatten().flat_map(Look::entries) {
            let text = value.text().unwrap_or_default();
            let (name, line) = (&name.value, name.at.line);
            env.known.remove(name);
            env.handed.remove(name);
            env.lost.remove(name);
            if secret(text).is_some() {
                let advice = "set it where wf runs";
                out.lose(self.path, line, format!("the value of `{name}`"), "it is GitHub's", advice);
                env.handed.insert(name.clone());
                continue;
            }
            if let Some(text) = plain(text, &known) {
                env.known.insert(name.clone(), text);
                continue;
            }
            let (why, advice) = match fill(text, &known) {
                Ok(_) => ("it is made of another variable, and no shell reads it here".into(), "write the value out"),
                Err(expression) => {
                    (format!("`{}` is known to GitHub alone", one_line(&expression)), "set it where wf runs")
                }
            };
            out.lose(self.path, line, format!("the variable `{name}`"), why, advice);
            env.lost.insert(name.clone());
        }
        env
    }

    /// What the job watches, by its workflow's filter, by its `if`, and by the `if`s of its parts, if they all have one.
    fn inputs(
        &self,
        id: &str,
        node: &Node,
        conditions: &[Option<&str>],
        rules: &Rules,
        out: &mut Imported,
    ) -> Vec<String> {
        let whole = self.filter.clone().unwrap_or_default();
        let mut asked: Vec<(&str, u32)> = vec![];
        let of_parts: BTreeSet<&str> = conditions.iter().flatten().copied().collect();
        let by_parts = conditions.iter().all(Option::is_some);
        if let Some(text) = node.text_of("if") {
            asked.push((text, node.get("if").map_or(0, Look::line)));
        } else if by_parts {
            asked.extend(of_parts.iter().map(|text| (*text, node.line())));
        }
        // Only where all parts have the same condition it is that of the whole.
        let is_whole = asked.len() == 1 && by_parts && of_parts.contains(asked[0].0) && of_parts.len() == 1;
        if !of_parts.is_empty() && !is_whole {
            let why = "parts of it have an `if` of their own: all of them run here";
            out.lose(self.path, node.line(), format!("the job `{id}`"), why, "");
        }
        let mut narrowed: Option<Vec<String>> = None;
        for (text, line) in asked {
            let said = condition(text, self.started);
            let found: Vec<_> = said.any_of.iter().map(|output| rules.find(id, output)).collect();
            let what = format!("`if: {}`", one_line(text));
            let known = !found.is_empty() && found.iter().all(Option::is_some);
            if !known || said.open {
                let advice = "see whether it should run only when asked for (`kind: deploy`) or on other files";
                out.lose(self.path, line, what, "the condition is not carried over", advice);
                return whole;
            }
            if said.more {
                out.lose(self.path, line, what, "only its path filters are carried over", "");
            }
            for patterns in found.into_iter().flatten() {
                match patterns {
                    Ok(patterns) => {
                        narrowed = Some(narrowed.map_or_else(|| patterns.clone(), |all| union(&all, patterns)));
                    }
                    Err(why) => {
                        out.lose(
                            self.path,
                            line,
                            format!("the filter of the job `{id}`"),
                            why.clone(),
                            "name its `inputs`",
                        );
                        return whole;
                    }
                }
            }
        }
        match narrowed {
            Some(_) if self.filter.is_some() => {
                let why = "the workflow has a filter, too: the job's own counts";
                out.lose(self.path, node.line(), format!("the filters of the job `{id}`"), why, "");
                narrowed.unwrap_or_default()
            }
            Some(narrowed) => narrowed,
            None => whole,
        }
    }
}

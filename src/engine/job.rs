//! From a resolved step to a job: argv, folder, environment.

use crate::ai::order::{self, Behind, Order, Shared};
use crate::base::{Millis, RepoPath};
use crate::config::environment;
use crate::config::model::{Command, EnvMode};
use crate::exec::{Job, Variable, secret};
use crate::graph::Step;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What all jobs of a run share.
#[derive(Clone, Debug)]
pub struct Common {
    /// The root that paths are relative to.
    pub root: PathBuf,
    /// The run's id.
    pub run: String,
    /// The environment that steps inherit.
    pub env: Inherited,
    /// What every step gets on top.
    pub extra: Vec<Variable>,
    /// Where output logs go.
    pub out: PathBuf,
    /// What the change is measured against.
    pub base: Option<String>,
    /// `WORKFLOW_MONITOR_RESOURCES`
    pub sample: bool,
    /// `WORKFLOW_PROFILE`
    pub profile: bool,
    /// What AI steps share.
    pub ai: Shared,
    /// For steps without an `idle_timeout` of their own; none only warns.
    pub idle_timeout_ms: Option<Millis>,
}

/// What of wf's environment reaches steps: all but wf's variables, and what leads git elsewhere. A hook's `GIT_DIR` would send
/// every git command of a step to the repository of the commit: a test suite that makes a repository of its own would commit
/// into that one.
pub fn inherited(env: &BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    let keep = |name: &OsStr| !name.as_bytes().starts_with(b"WF_") && !crate::git::leads_elsewhere(name);
    env.iter().filter(|(name, _)| keep(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The environment that steps inherit, shared by all of them: see [`inherited`].
#[derive(Clone, Debug)]
pub struct Inherited {
    /// Sorted by name.
    all: Vec<Variable>,
    /// What every step gets.
    base: Vec<Variable>,
}

impl Inherited {
    /// Of these variables.
    pub fn new(env: &BTreeMap<OsString, OsString>) -> Self {
        let shared =
            |(name, value): (&OsString, &OsString)| (Arc::from(name.as_os_str()), Arc::from(value.as_os_str()));
        let all: Vec<Variable> = env.iter().map(shared).collect();
        let base = all.iter().filter(|(name, _)| environment::is_base(name.as_bytes())).cloned().collect();
        Self { all, base }
    }

    /// What one step sees of it. Whoever may be served from a cache sees only what its key knows, or what changes no result:
    /// see [`environment`].
    fn seen(&self, step: &Step) -> Vec<Variable> {
        if step.env_mode == EnvMode::Inherit {
            return self.all.clone();
        }
        let mut seen = self.base.clone();
        for name in step.env.keys() {
            if let Ok(at) = self.all.binary_search_by(|(known, _)| (**known).cmp(OsStr::new(name))) {
                let (name, value) = &self.all[at];
                set(&mut seen, name, Arc::clone(value));
            }
        }
        seen
    }
}

/// Sets a variable in a sorted list.
fn set(env: &mut Vec<Variable>, name: &OsStr, value: Arc<OsStr>) {
    match env.binary_search_by(|(known, _)| (**known).cmp(name)) {
        Ok(at) => env[at].1 = value,
        Err(at) => env.insert(at, (name.into(), value)),
    }
}

/// Gives a process of wf's own, which asks models, the secrets that its step does not see: it could not keep back what it
/// does not know. Returns their names.
fn hide(common: &Common, env: &mut Vec<Variable>) -> Vec<String> {
    let mut names = vec![];
    for (name, value) in &common.env.all {
        if let Some(text) = name.to_str()
            && secret::is_secret(name, value, &common.ai.secrets)
            && env.binary_search_by(|(known, _)| (**known).cmp(name)).is_err()
        {
            set(env, name, Arc::clone(value));
            names.push(text.to_owned());
        }
    }
    names
}

/// The lists of a `changed_only` step.
#[derive(Clone, Debug)]
pub struct ChangedLists {
    /// All changed paths that the step watches.
    pub all: PathBuf,
    /// Those that exist.
    pub present: PathBuf,
}

/// Makes one attempt's job.
pub fn job(common: &Common, step: &Step, attempt: u32, lists: Option<&ChangedLists>) -> Job {
    let mut env = common.env.seen(step);
    for (name, value) in &step.env {
        if let Some(value) = value {
            set(&mut env, OsStr::new(name), OsStr::new(value).into());
        }
    }
    for (name, value) in &common.extra {
        set(&mut env, name, Arc::clone(value));
    }
    let mut set = |name: &str, value: &OsStr| set(&mut env, OsStr::new(name), value.into());
    set("WF_STEP", OsStr::new(step.id.as_str()));
    set("WF_ATTEMPT", OsStr::new(&attempt.to_string()));
    set("WF_RUN", OsStr::new(&common.run));
    set("WF_ROOT", common.root.as_os_str());
    // A wf inside this step may use what the step claims, no more.
    set("WF_JOBS_SHARE", OsStr::new(&(step.resources.cpu_milli / 1_000).max(1).to_string()));
    if let Some(folder) = &step.folder {
        set("WF_DIR", OsStr::from_bytes(folder.as_bytes()));
    }
    if let Some(lists) = lists {
        set("WF_CHANGED_FILES", lists.all.as_os_str());
        set("WF_CHANGED_FILES_PRESENT", lists.present.as_os_str());
        if let Some(base) = &common.base {
            set("WF_BASE", OsStr::new(base));
        }
    }
    let hidden = if step.ai_proxy || matches!(step.command, Command::Ai(_)) { hide(common, &mut env) } else { vec![] };
    let argv = started(common, step, lists, hidden);
    Job {
        step: step.id.clone(),
        attempt,
        argv,
        dir: step.dir.under(&common.root),
        env,
        log: common.out.join(format!("{}.{attempt}.log", step.id.file_stem())),
        timeout_ms: step.timeout_ms,
        grace_ms: step.grace_ms,
        idle_timeout_ms: step.idle_timeout_ms.or(common.idle_timeout_ms),
        memory_bytes: step.resources.memory_bytes,
        enforce_memory: step.resources.enforce,
        leave_running: step.leave_running.clone(),
        sample: common.sample,
        profile: common.profile,
    }
}

/// The argv of a command, as it is in a key. Data never reaches a shell: only the text as it was written does.
pub fn argv(command: &Command) -> Vec<OsString> {
    match command {
        Command::Argv(argv) => argv.iter().map(OsString::from).collect(),
        Command::Shell { text, shell } => {
            shell.iter().map(|word| OsString::from(if word == "{}" { text } else { word })).collect()
        }
        Command::Ai(task) => vec![order::COMMAND.into(), json(task), crate::ai::prompt::built_in().to_string().into()],
    }
}

/// What is started for it: the command itself, or wf with an order.
fn started(common: &Common, step: &Step, lists: Option<&ChangedLists>, hidden: Vec<String>) -> Vec<OsString> {
    let Command::Ai(task) = &step.command else {
        let argv = argv(&step.command);
        if !step.ai_proxy {
            return argv;
        }
        let argv = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let shared = Shared { hidden, asking: vec![], ..common.ai.clone() };
        let behind = Behind { step: step.id.to_string(), argv, shared };
        return wf(&[order::BEHIND.into(), json(&behind)]);
    };
    // Of the steps that ask, those whose answers its prompt may use: an argument has no room for thousands.
    let is_needed = |id: &&String| step.needs.iter().any(|need| need.as_str() == id.as_str());
    let asking = common.ai.asking.iter().filter(is_needed).cloned().collect();
    let shared = Shared { asking, hidden, ..common.ai.clone() };
    let changed = lists.map(|lists| lists.present.clone());
    let order = Order { tags: step.tags.clone(), ..Order::of(step.id.as_str(), task, shared, changed) };
    wf(&[order::COMMAND.into(), json(&order)])
}

/// This wf, with arguments.
fn wf(arguments: &[OsString]) -> Vec<OsString> {
    let this = crate::exec::guard::executable().unwrap_or_else(|_| "wf".into());
    std::iter::once(this.into_os_string()).chain(arguments.iter().cloned()).collect()
}

fn json(order: &impl serde::Serialize) -> OsString {
    serde_json::to_string(order).unwrap_or_default().into()
}

/// Writes the lists of a `changed_only` step into the run's folder: NUL between paths, sorted.
pub fn write_lists(root: &Path, dir: &Path, step: &Step, paths: &[RepoPath]) -> std::io::Result<ChangedLists> {
    let write = |name: &str, paths: &mut dyn Iterator<Item = &RepoPath>| {
        let file = dir.join(format!("{}.{name}", step.id.file_stem()));
        let mut bytes = Vec::new();
        for path in paths {
            bytes.extend_from_slice(path.as_bytes());
            bytes.push(0);
        }
        std::fs::create_dir_all(dir)?;
        std::fs::write(&file, bytes)?;
        std::io::Result::Ok(file)
    };
    let all = write("changed", &mut paths.iter())?;
    let present = write("present", &mut paths.iter().filter(|path| path.under(root).symlink_metadata().is_ok()))?;
    Ok(ChangedLists { all, present })
}

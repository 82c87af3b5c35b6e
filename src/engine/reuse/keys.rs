//! What of the world goes into a step's key, besides the files it watches and what it needs.

use super::seal::Seal;
use super::tools::Tools;
use crate::base::StepId;
use crate::engine::job;
use crate::event::{NotCached, Unforeseen};
use crate::graph::Step;
use crate::key::{ChangedList, Contribution, EnvValue, FileGroup, KeyInputs};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// Variables that change what programs do though nobody declares them. `LC_*` come on top.
const AMBIENT: [&str; 3] = ["CI", "TZ", "LANG"];

/// What all keys of a run share.
#[derive(Debug)]
pub struct World {
    env: BTreeMap<OsString, OsString>,
    secrets: Vec<String>,
    ambient: Arc<BTreeMap<String, EnvValue>>,
    platform: Arc<str>,
    tools: Tools,
    seal: Seal,
}

impl World {
    /// `env`: what steps inherit. `secrets`: names of variables that are never in a key, unless a step seals them.
    pub fn new(env: BTreeMap<OsString, OsString>, secrets: Vec<String>, tools: Tools, seal: Seal) -> Self {
        let always = AMBIENT.iter().map(|name| (*name).to_owned());
        let local = env.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with("LC_"));
        let names: Vec<String> = always.chain(local.map(str::to_owned)).collect();
        let ambient = names.into_iter().map(|name| (name.clone(), value(&env, &name))).collect();
        let ambient = Arc::new(ambient);
        Self { env, secrets, ambient, platform: platform().into(), tools, seal }
    }

    /// A step's key inputs.
    ///
    /// # Errors
    /// A probe of its tools failed, or a secret that is to be in the key cannot be sealed.
    pub fn inputs(
        &self,
        step: &Step,
        watched: Vec<Arc<FileGroup>>,
        needs: BTreeMap<StepId, Contribution>,
        changed: Option<ChangedList>,
    ) -> Result<KeyInputs, NotCached> {
        let mut tools = BTreeMap::new();
        for probe in &step.tools {
            tools.insert(super::tools::words(probe), self.tools.said(probe)?.to_owned());
        }
        let mut env = BTreeMap::new();
        for (name, declared) in &step.env {
            let now = self.declared(name, declared.as_ref());
            if !self.is_secret(name, &now) {
                env.insert(name.clone(), now);
            } else if step.sealed.contains(name) {
                let sealed = match now {
                    EnvValue::Set(text) => EnvValue::Sealed(self.seal.of(name, &text)?),
                    other => other,
                };
                env.insert(name.clone(), sealed);
            }
        }
        Ok(KeyInputs {
            step: step.id.clone(),
            argv: job::argv(&step.command).into_iter().map(text).collect(),
            dir: step.dir.clone(),
            folder: step.folder.clone(),
            env,
            ambient: Arc::clone(&self.ambient),
            tools,
            platform: Arc::clone(&self.platform),
            outputs: step.outputs.as_ref().map(|globs| globs.texts().map(str::to_owned).collect()),
            watched,
            needs,
            changed,
        })
    }

    /// Why nobody can say before a run what of the world goes into a step's key, if so.
    pub fn unforeseen(&self, step: &Step) -> Option<Unforeseen> {
        if let Some(probe) = step.tools.iter().find(|probe| !self.tools.is_asked(probe)) {
            return Some(Unforeseen::ToolNotAsked { probe: super::tools::words(probe) });
        }
        let is_sealed = |name: &String| {
            let now = step.env.get(name).map(|declared| self.declared(name, declared.as_ref()));
            now.is_some_and(|now| matches!(now, EnvValue::Set(_)) && self.is_secret(name, &now))
        };
        (step.sealed.iter().any(is_sealed) && !self.seal.is_made()).then_some(Unforeseen::NoSeal)
    }

    /// What the tools said.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// A declared variable as the step sees it: its own value, or the caller's.
    fn declared(&self, name: &str, own: Option<&String>) -> EnvValue {
        own.map_or_else(|| value(&self.env, name), |text| EnvValue::Set(text.clone()))
    }

    fn is_secret(&self, name: &str, value: &EnvValue) -> bool {
        let value = if let EnvValue::Set(text) = value { text.as_str() } else { "" };
        crate::exec::secret::is_secret(OsStr::new(name), OsStr::new(value), &self.secrets)
    }
}

fn text(word: OsString) -> String {
    word.into_string().unwrap_or_else(|word| word.to_string_lossy().into_owned())
}

fn value(env: &BTreeMap<OsString, OsString>, name: &str) -> EnvValue {
    env.get(OsStr::new(name)).map_or(EnvValue::Unset, |value| EnvValue::Set(value.to_string_lossy().into_owned()))
}

/// Operating system, architecture and C library: the ones wf was built for, which are those of the steps it can start.
fn platform() -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{} {} {libc}", std::env::consts::OS, std::env::consts::ARCH)
}

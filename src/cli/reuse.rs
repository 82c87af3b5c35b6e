//! What a run needs to use results again: the cache's place, the tools' versions, the secrets, the run before.

use super::context::Context;
use super::failure::Failure;
use super::load::LoadedConfig;
use super::prepared::Ready;
use crate::base::RunId;
use crate::cache::{self, Actions, CachePlace, Digests, Folder, Policy};
use crate::config::model::{CacheLimits, Eviction, Resume};
use crate::engine::reuse::{self, Reuse, Seal, Setup, Tools, World};
use crate::engine::{Prepared, changed_lists, fallback};
use crate::event::{EventKind, FallbackCode, Place, RunStatus};
use crate::git::{Listing, Mode, Repo};
use std::path::PathBuf;
use std::sync::Arc;

impl Context {
    /// Where the cache is: `WF_CACHE_DIR` from here, `cache.dir` from the main worktree's root, else in the state folder.
    pub fn cache_place(&self, config: &LoadedConfig) -> CachePlace {
        let chosen = match (self.env.get("WF_CACHE_DIR"), &config.workflow().settings.cache_dir) {
            (Some(dir), _) => Some(self.cwd.join(dir)),
            (None, Some(dir)) => Some(config.repo.as_ref().map_or(config.root.as_path(), Repo::main_root).join(dir)),
            (None, None) => None,
        };
        cache::cache_place(&self.state_place(config).0, chosen.as_deref())
    }

    /// Where the cache of this repository is, and its limits. A configuration with mistakes must not stand between people and
    /// their cache: then it is in the state folder.
    ///
    /// # Errors
    /// When nobody can say where the state is.
    pub fn cache_here(&self) -> Result<(CachePlace, cache::Limits), Failure> {
        if let Ok(config) = self.load_config(vec![]) {
            return Ok((self.cache_place(&config), limits(&config.workflow().settings.cache_limits)));
        }
        let chosen = self.env.get("WF_CACHE_DIR").map(|dir| self.cwd.join(dir));
        Ok((cache::cache_place(&self.state_place_here()?.0, chosen.as_deref()), cache::Limits::default()))
    }

    /// The folder of a person's own configuration.
    pub fn config_home(&self) -> Option<PathBuf> {
        let set = self.env.get("XDG_CONFIG_HOME").map(PathBuf::from);
        set.or_else(|| Some(PathBuf::from(self.env.get("HOME")?).join(".config")))
    }

    /// Where a run is made: by a CI service, in a git hook, or by somebody here.
    pub fn made_by(&self) -> Place {
        if self.env.flag("CI") {
            Place::Ci
        } else if self.env.get("GIT_INDEX_FILE").is_some() {
            Place::Hook
        } else {
            Place::Local
        }
    }
}

/// The cache's limits, from the settings.
pub fn limits(set: &CacheLimits) -> cache::Limits {
    cache::Limits {
        bytes: set.size_bytes,
        age_ms: set.age_ms.unwrap_or(u64::MAX),
        entries: usize::try_from(set.entries).unwrap_or(usize::MAX),
        policy: match set.policy {
            Eviction::Lru => Policy::Lru,
            Eviction::Lfu => Policy::Lfu,
            Eviction::Fifo => Policy::Fifo,
            Eviction::Value => Policy::Value,
        },
        ..cache::Limits::default()
    }
}

/// A cache that is being opened, while git is read.
pub struct Opening(std::thread::JoinHandle<Opened>);

struct Opened {
    folder: Arc<Folder>,
    actions: Actions,
    digests: Digests,
    problems: Vec<cache::Problem>,
}

/// Begins to open the cache.
pub fn begin(config: &LoadedConfig, cx: &Context) -> Opening {
    let now_ms = jiff::Timestamp::now().as_millisecond().unsigned_abs();
    let (place, limits) = (cx.cache_place(config), limits(&config.workflow().settings.cache_limits));
    let root = config.root.clone();
    Opening(std::thread::spawn(move || {
        let (folder, unusable) = Folder::open(&place, limits, now_ms);
        let (actions, damaged) = Actions::open(&folder);
        let (digests, unread) = Digests::open(&folder.digests_of(&root), &root);
        let problems = unusable.into_iter().chain(damaged).chain(unread).collect();
        Opened { folder, actions, digests, problems }
    }))
}

/// What a run asks the cache with. None where it is off, or where no files can be listed; what cannot be used is a note.
///
/// # Errors
/// The root of the tree cannot be opened.
pub fn open(
    ready: &mut Ready,
    run: &RunId,
    env: &std::collections::BTreeMap<std::ffi::OsString, std::ffi::OsString>,
    cx: &Context,
) -> Result<Option<Arc<Reuse>>, Failure> {
    let (Some(Opening(opening)), Some(listing)) = (ready.cache.take(), ready.prepared.listing.take()) else {
        return Ok(None);
    };
    let Opened { folder, mut actions, digests, problems } =
        opening.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug));
    let mut notes: Vec<EventKind> = problems.iter().map(unreadable).collect();
    let workflow = ready.config.workflow();
    let settings = &ready.request.settings;
    // Only then is anything read for it: a start that lost nothing pays nothing.
    if actions.has_lost()
        && ready.prepared.past
        && let Ok(state) = cx.state_for_reading(&ready.config)
    {
        notes.extend(reuse::recall(&mut actions, &state, settings.cache.write));
    }
    let root = ready.config.root.clone();
    let Listing { files, attributes } = listing;
    let masker = cx.masker(None).clone();
    let digests =
        digests.with(Box::new(move |path| attributes.form(path)), Box::new(move |path| masker.finds(path.as_bytes())));
    let graph = ready.prepared.plan.graph.clone();
    let probes = graph.steps().iter().flat_map(|step| &step.tools);
    let tools = Tools::ask(probes, &root, env);
    let seal = Seal::new(cx.config_home());
    let world = World::new(env.clone(), settings.secrets.clone(), tools, seal);
    let here = cx.clone();
    let setup = Setup {
        changed: changed_lists(&ready.prepared),
        decisions: ready.prepared.plan.decisions.clone(),
        relist: Box::new(move || {
            let repo = here.discover().ok()?;
            Some(repo.changes_and_listing(None, Mode::All).ok()?.1.files)
        }),
        unseen: ready.prepared.change.unseen.clone(),
        rules: workflow.categories.clone(),
        mode: settings.cache,
        resume: resume(settings.resume, &ready.prepared),
        run: run.clone(),
        place: cx.made_by(),
        masker: cx.masker(None).clone(),
        root,
        graph,
        files,
        world,
        folder,
        actions,
        digests,
    };
    let reuse = Reuse::new(setup)
        .map_err(|error| Failure::environment(format!("cannot open {}: {error}", ready.config.root.display())))?;
    ready.prepared.notes.extend(notes);
    Ok(Some(Arc::new(reuse)))
}

fn unreadable(problem: &cache::Problem) -> EventKind {
    fallback(FallbackCode::CacheUnreadable, problem, None)
}

/// The run before, if this one goes on from it.
fn resume(setting: Resume, prepared: &Prepared) -> Option<RunId> {
    let (run, status) = prepared.known.last_run.as_ref()?;
    let interrupted = matches!(status, None | Some(RunStatus::Interrupted));
    match setting {
        Resume::Never => None,
        Resume::Interrupted => interrupted.then(|| run.clone()),
        Resume::Always => Some(run.clone()),
    }
}

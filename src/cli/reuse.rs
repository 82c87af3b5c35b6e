//! What a run and a plan need to ask for results: the cache's place, the tools' versions, the secrets, the run before.

use super::context::Context;
use super::failure::Failure;
use super::forecast::Forecast;
use super::load::LoadedConfig;
use super::prepared::Ready;
use crate::base::RunId;
use crate::cache::{self, Actions, CachePlace, Digests, Folder, Policy};
use crate::config::model::{CacheLimits, Eviction, Resume};
use crate::engine::reuse::{self, Keeping, Nothing, Reuse, Seal, Setup, Tools, Watched, World};
use crate::engine::{self, Prepared, changed_lists, committed, fallback};
use crate::event::{EventKind, FallbackCode, Place, RunStatus};
use crate::git::{Listing, Mode, Repo};
use crate::plan::RunRequest;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

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

    /// What steps inherit of the environment, unless they say otherwise.
    pub fn inherited(&self) -> Environment {
        engine::inherited(&self.env.0)
    }

    /// Where a run is made: by a CI service, in a git hook, or by somebody here.
    pub fn made_by(&self) -> Place {
        if self.env.flag("CI") {
            Place::Ci
        } else if ["GIT_INDEX_FILE", "WF_HOOK"].iter().any(|name| self.env.get(name).is_some()) {
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

/// A cache that is being opened beside other work.
pub struct Opening {
    thread: JoinHandle<Opened>,
    /// It waits for a word on this, or for nobody being left to say one.
    go: mpsc::Sender<()>,
}

impl Opening {
    /// Now there is a processor free for it.
    pub fn go(&self) {
        // It may have ended long ago.
        let _ = self.go.send(());
    }
}

struct Opened {
    folder: Arc<Folder>,
    actions: Actions,
    digests: Digests,
    problems: Vec<cache::Problem>,
}

/// Opens the cache, as soon as somebody says [`Opening::go`] or asks for it.
pub fn begin(config: &LoadedConfig, cx: &Context) -> Opening {
    let now_ms = jiff::Timestamp::now().as_millisecond().unsigned_abs();
    let (place, limits) = (cx.cache_place(config), limits(&config.workflow().settings.cache_limits));
    let root = config.root.clone();
    // What lies in the places of outputs is compared with all that is recorded of their step.
    let outputs = config.workflow().steps.iter().any(|step| step.outputs.is_some());
    let (go, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = wait.recv();
        let (folder, unusable) = Folder::open(&place, limits, now_ms);
        let (actions, damaged) = Actions::open(&folder);
        if outputs {
            actions.ready_for_steps();
        }
        let (digests, unread) = Digests::open(&folder.digests_of(&root), &root);
        let problems = unusable.into_iter().chain(damaged).chain(unread).collect();
        Opened { folder, actions, digests, problems }
    });
    Opening { thread, go }
}

/// What a run asks the cache with. None where it is off, or where no files can be listed; what cannot be used is a note.
///
/// # Errors
/// The root of the tree cannot be opened.
pub fn open(ready: &mut Ready, run: &RunId, env: &Environment, cx: &Context) -> Result<Option<Arc<Reuse>>, Failure> {
    let write = ready.request.settings.cache.write;
    let Some((opened, listing)) = opened(ready, write, cx) else { return Ok(None) };
    let root = &ready.config.root;
    let tools = Tools::ask(ready.prepared.plan.graph.steps().iter().flat_map(|step| &step.tools), root, env);
    let world = world(ready, env, tools, Seal::new(cx.config_home()));
    let here = cx.clone();
    let keeping = Keeping {
        relist: Box::new(move || {
            let repo = here.discover().ok()?;
            Some(repo.changes_and_listing(None, Mode::All).ok()?.1.files)
        }),
        run: run.clone(),
        place: cx.made_by(),
        masker: cx.masker(None).clone(),
    };
    let reuse =
        Reuse::new(setup(ready, opened, listing, world, cx), keeping).map_err(|error| no_root(ready, &error))?;
    Ok(Some(Arc::new(reuse)))
}

/// What a run like this would be told by the cache; of one step alone, every difference. Executes, makes and writes
/// nothing: tools are taken to be what they were when a run last asked them.
///
/// # Errors
/// The root of the tree cannot be opened.
pub fn predict(ready: &mut Ready, only: Option<usize>, cx: &Context) -> Result<Forecast, Failure> {
    if !asks(&ready.request) {
        return Ok(Forecast::NotAsked);
    }
    if ready.cache.is_none() {
        let (plan, unseen) = (&ready.prepared.plan, &ready.prepared.change.unseen);
        let (graph, decisions, mode) = (&plan.graph, &plan.decisions, ready.request.settings.cache);
        let told = reuse::nothing_stored(Nothing { graph, decisions, unseen, mode });
        return Ok(if ready.config.repo.is_ok() { Forecast::Empty(told) } else { Forecast::NotAsked });
    }
    let Some((opened, listing)) = opened(ready, false, cx) else { return Ok(Forecast::NotAsked) };
    let env = cx.inherited();
    let tools = Tools::recorded(cache::tools::recorded(&opened.folder, &ready.config.root));
    let world = world(ready, &env, tools, Seal::new(cx.config_home()).looking());
    let mut setup = setup(ready, opened, listing, world, cx);
    setup.digests = setup.digests.looking();
    reuse::predict(setup, only).map(Forecast::Of).map_err(|error| no_root(ready, &error))
}

/// Does a run like this ask the cache at all? A step that runs alone leaves neither entry nor verdict.
pub fn asks(request: &RunRequest) -> bool {
    request.settings.cache.is_on() && !request.filter.alone
}

type Environment = std::collections::BTreeMap<std::ffi::OsString, std::ffi::OsString>;

/// The cache, open, and the files; what cannot be used is a note. None: it is not asked. `write`: what its index lost and
/// is known from recorded runs is written down in it.
fn opened(ready: &mut Ready, write: bool, cx: &Context) -> Option<(Opened, (Listing, Watched))> {
    let (Opening { thread, go }, listing) = (ready.cache.take()?, ready.prepared.listing.take()?);
    drop(go);
    let mut opened = thread.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug));
    // Whoever can commit could plant results that way. Of its usual place, in the state folder, that was asked already.
    let usual = cache::cache_place(&cx.state_place(&ready.config).0, None).dir;
    let asked = ready.prepared.past && opened.folder.dir() == usual;
    if !asked && let Some(path) = ready.config.repo.as_ref().ok().and_then(|repo| committed(repo, opened.folder.dir()))
    {
        let message =
            format!("{path} is committed to this repository; results that a commit brings along are not used");
        let hint = Some(format!("git rm -r --cached {path}"));
        ready.prepared.notes.push(fallback(FallbackCode::CacheUnreadable, &message, hint));
        return None;
    }
    ready.prepared.notes.extend(opened.problems.iter().map(unreadable));
    // Only then is anything read for it: a start that lost nothing pays nothing.
    if opened.actions.has_lost()
        && ready.prepared.past
        && let Ok(state) = cx.state_for_reading(&ready.config)
    {
        ready.prepared.notes.extend(reuse::recall(&mut opened.actions, &state, write));
    }
    Some((opened, listing))
}

fn world(ready: &Ready, env: &Environment, tools: Tools, seal: Seal) -> World {
    World::new(env.clone(), ready.request.settings.secrets.clone(), tools, seal)
}

/// What asking takes, one and the same for a run and for a plan.
fn setup(ready: &Ready, opened: Opened, listing: (Listing, Watched), world: World, cx: &Context) -> Setup {
    let Opened { folder, actions, digests, .. } = opened;
    let (Listing { files, attributes }, watched) = listing;
    let masker = cx.masker(None).clone();
    let settings = &ready.request.settings;
    Setup {
        root: ready.config.root.clone(),
        graph: ready.prepared.plan.graph.clone(),
        decisions: ready.prepared.plan.decisions.clone(),
        files,
        watched,
        unseen: ready.prepared.change.unseen.clone(),
        rules: ready.config.workflow().categories.clone(),
        world,
        changed: changed_lists(&ready.prepared),
        folder,
        actions,
        digests: digests
            .with(Box::new(move |path| attributes.form(path)), Box::new(move |path| masker.finds(path.as_bytes()))),
        mode: settings.cache,
        resume: resume(settings.resume, &ready.prepared),
    }
}

fn no_root(ready: &Ready, error: &std::io::Error) -> Failure {
    Failure::environment(format!("cannot open {}: {error}", ready.config.root.display()))
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

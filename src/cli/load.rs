//! Finds the repository and its configuration, and reads both.

use super::context::Context;
use super::failure::{Failure, Kind};
use crate::config::{self, Layer, Loaded, Override, Source, Workflow};
use crate::git::{GitError, Repo};
use crate::history::{ChosenBy, StateDir, StateError};
use std::path::{Path, PathBuf};

/// The name people give their configuration.
pub const CONFIG_NAME: &str = ".workflow-config.yaml";

/// A repository and its configuration.
pub struct LoadedConfig {
    /// The configuration, and where each value came from.
    pub loaded: Loaded,
    /// The file; none when a default pipeline was detected.
    pub path: Option<PathBuf>,
    /// The text it was read from.
    pub text: String,
    /// The root that paths are relative to.
    pub root: PathBuf,
    /// The repository, or why there is none.
    pub repo: Result<Repo, GitError>,
    user: Option<Source>,
    overrides: Vec<Override>,
}

impl LoadedConfig {
    /// The workflow.
    pub fn workflow(&self) -> &Workflow {
        &self.loaded.workflow
    }

    /// Resolves another text of the same file with the same flags, environment and user file.
    pub fn resolve(&self, text: &str) -> Result<Workflow, String> {
        let sources = sources(self.user.as_ref(), CONFIG_NAME, text);
        config::load(&sources, &self.overrides)
            .map(|loaded| loaded.workflow)
            .map_err(|errors| errors.errors.first().map_or_else(String::new, |error| error.message.clone()))
    }
}

fn sources(user: Option<&Source>, name: &str, text: &str) -> Vec<Source> {
    let project = Source { name: name.to_owned(), text: text.to_owned(), layer: Layer::Project };
    user.cloned().into_iter().chain([project]).collect()
}

impl Context {
    /// Finds and reads the configuration, with flags over environment over project file over user file. Without a file,
    /// a default pipeline is detected.
    ///
    /// # Errors
    /// Every error of the configuration at once (exit 2), or a file that cannot be read (exit 3).
    pub fn load_config(&self, flags: Vec<Override>) -> Result<LoadedConfig, Failure> {
        let repo = self.discover();
        let found = self.find_config(repo.as_ref().ok().map(Repo::root))?;
        let root = match (&repo, &found) {
            (Ok(repo), _) => repo.root().to_owned(),
            (Err(_), Some(path)) => path.parent().unwrap_or(&self.cwd).to_owned(),
            (Err(_), None) => self.cwd.clone(),
        };
        let text = match &found {
            Some(path) => read(path)?,
            None => detected(&root, repo.as_ref().ok())?,
        };
        let name = found.as_ref().map_or_else(|| "detected pipeline".into(), |path| self.relative(path));
        self.loaded(repo, (found, text, &name), root, flags)
    }

    /// The same with a text that is not the disk's, of the file at this path: what is staged, what a commit has (`how`).
    ///
    /// # Errors
    /// Every error of the configuration at once (exit 2).
    pub fn load_text(
        &self,
        repo: Repo,
        path: PathBuf,
        (text, how): (String, &str),
        flags: Vec<Override>,
    ) -> Result<LoadedConfig, Failure> {
        let (root, name) = (repo.root().to_owned(), format!("{}{how}", self.relative(&path)));
        self.loaded(Ok(repo), (Some(path), text, &name), root, flags)
    }

    fn loaded(
        &self,
        repo: Result<Repo, GitError>,
        (path, text, name): (Option<PathBuf>, String, &str),
        root: PathBuf,
        flags: Vec<Override>,
    ) -> Result<LoadedConfig, Failure> {
        let user = self.user_file()?;
        let mut overrides = config::overrides_from_env(
            self.env.0.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?))),
        );
        overrides.extend(flags);
        match config::load(&sources(user.as_ref(), name, &text), &overrides) {
            Ok(loaded) => {
                let errors = super::ai::check::errors(&loaded.workflow, &root);
                if !errors.is_empty() {
                    let errors = config::ConfigErrors { errors, sources: loaded.sources };
                    let report = errors.report(self.color(self.stderr_is_terminal));
                    return Err(Failure { kind: Kind::Config, error: report.into(), hints: vec![] });
                }
                self.masker(Some(&loaded.workflow));
                Ok(LoadedConfig { loaded, path, text, root, repo, user, overrides })
            }
            Err(errors) => {
                let report = errors.report(self.color(self.stderr_is_terminal));
                Err(Failure { kind: Kind::Config, error: report.into(), hints: vec![] })
            }
        }
    }

    /// The repository round the working folder. In a git hook, the index that git made for this very commit.
    pub fn discover(&self) -> Result<Repo, GitError> {
        let repo = Repo::discover(&self.cwd)?;
        match self.env.get("GIT_INDEX_FILE") {
            Some(index) => repo.with_index_file(Path::new(index)),
            None => Ok(repo),
        }
    }

    /// A path as people know it: relative to the working folder where that is shorter.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.cwd).unwrap_or(path).display().to_string()
    }

    /// `--config-file`, else the nearest file from the working folder up to the root of the repository.
    pub(super) fn find_config(&self, root: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
        if let Some(path) = &self.config_file {
            if !path.is_file() {
                return Err(Failure::usage(format!("there is no file {}", path.display()))
                    .hint("`wf init` writes a configuration that fits this repository"));
            }
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            return Ok(Some(path));
        }
        let inside = |folder: &&Path| root.is_none_or(|root| folder.starts_with(root));
        for folder in self.cwd.ancestors().take_while(inside) {
            let path = folder.join(CONFIG_NAME);
            if path.is_file() {
                return Ok(Some(path));
            }
            // Whoever has one of these means it to be read: passing it over would run another pipeline.
            if path.symlink_metadata().is_ok() {
                let failure = Failure::usage(format!("{} is not a file", self.relative(&path)));
                return Err(failure.hint("put the configuration there, or remove it"));
            }
            let other = path.with_extension("yml");
            if other.is_file() {
                let failure = Failure::usage(format!("wf does not read {}", self.relative(&other)));
                return Err(failure.hint(format!("call it {CONFIG_NAME}")));
            }
        }
        Ok(None)
    }

    fn user_file(&self) -> Result<Option<Source>, Failure> {
        let folder = self.env.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let folder = folder.or_else(|| Some(PathBuf::from(self.env.get("HOME")?).join(".config")));
        let Some(path) = folder.map(|folder| folder.join("wf").join("config.yaml")).filter(|path| path.is_file())
        else {
            return Ok(None);
        };
        let text = read(&path)?;
        Ok(Some(Source { name: path.display().to_string(), text, layer: Layer::User }))
    }

    /// Where wf keeps its state, and whether a person said so.
    pub fn state_place(&self, config: &LoadedConfig) -> (PathBuf, ChosenBy) {
        if let Some(dir) = self.env.get("WF_STATE_DIR") {
            (self.cwd.join(dir), ChosenBy::Person)
        } else {
            let root = config.repo.as_ref().map_or(config.root.as_path(), Repo::main_root);
            (root.join(".wf"), ChosenBy::Default)
        }
    }

    /// The same for what keeps something outside of runs: it is made if it is not there, with the file that keeps git from
    /// seeing it. That it cannot be made is said, and no reason to stop.
    pub fn state_made(&self, config: &LoadedConfig) -> PathBuf {
        let (place, by) = self.state_place(config);
        if !place.join(".gitignore").exists()
            && let Err(error) = StateDir::open(&place, by)
        {
            self.say(&format!("warning: nothing is kept: {error}"));
        }
        place
    }

    /// [`Self::state_place`] without reading the configuration: what is recorded can be listed and removed whatever state
    /// that is in.
    pub fn state_place_here(&self) -> Result<(PathBuf, ChosenBy), Failure> {
        if let Some(dir) = self.env.get("WF_STATE_DIR") {
            return Ok((self.cwd.join(dir), ChosenBy::Person));
        }
        let root = match self.discover() {
            Ok(repo) => repo.main_root().to_owned(),
            Err(_) => self.root_here()?,
        };
        Ok((root.join(".wf"), ChosenBy::Default))
    }

    /// The root of the working tree, without reading the configuration.
    pub fn root_here(&self) -> Result<PathBuf, Failure> {
        Ok(match self.discover() {
            Ok(repo) => repo.root().to_owned(),
            Err(_) => match self.find_config(None)? {
                Some(path) => path.parent().unwrap_or(&self.cwd).to_owned(),
                None => self.cwd.clone(),
            },
        })
    }

    /// The state folder for looking only.
    pub fn state_for_reading(&self, config: &LoadedConfig) -> Result<StateDir, StateError> {
        let (place, by) = self.state_place(config);
        StateDir::open_read_only(&place, by)
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let hint = error.hint();
        Failure::environment(error).hint(hint)
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::environment(format!("cannot read {}: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..at]).count() + 1;
        Failure::usage(format!("{}:{line}: the file is not UTF-8", path.display())).hint("save it as UTF-8")
    })
}

/// The pipeline that fits what is here, as text, so that it goes the same way as every other.
fn detected(root: &Path, repo: Option<&Repo>) -> Result<String, Failure> {
    let found = super::init::look(root, repo, &[]);
    if found.is_empty() {
        let failure = Failure::usage(format!("there is no {CONFIG_NAME} here, and nothing that wf knows how to check"));
        return Err(failure.hint("`wf init --template feature` writes a configuration to start from"));
    }
    Ok(found.to_yaml())
}

//! Documentation projects: mkdocs, sphinx, mdbook. (A docusaurus site is a Node project with a `build` script.) Pure.

use super::{Detected, Draft, Look, ProjectKind};
use crate::base::RepoPath;
use crate::config::model::Kind;

/// Documentation that a Python package builds.
pub(super) struct Site {
    /// `mkdocs` or `sphinx`.
    pub(super) package: &'static str,
    /// The folder with its settings.
    pub(super) folder: RepoPath,
}

impl Site {
    /// The step, if it is run in `home`: the site's folder or one above it.
    pub(super) fn step(&self, home: &RepoPath, program: impl Fn(&str) -> Option<String>) -> Option<Draft> {
        let below = self.folder.below(home).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        if !below.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) || below.starts_with('-') {
            return None; // a name that would have to be quoted for a shell
        }
        let inside = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let (command, output) = match self.package {
            "mkdocs" if below.is_empty() => ("mkdocs build --strict".to_owned(), inside("site")),
            "mkdocs" => (format!("mkdocs build --strict --config-file {below}/mkdocs.yml"), inside("site")),
            _ => {
                let source = if below.is_empty() { ".".to_owned() } else { below.clone() };
                let output = inside("_build/html");
                (format!("sphinx-build -b html {source} {output}"), output)
            }
        };
        let outputs = vec![format!("./{output}/**")];
        Some(Draft { role: self.package, run: program(&command)?, kind: Some(Kind::Docs), outputs, ..Draft::default() })
    }
}

/// Every mkdocs and sphinx site.
pub(super) fn sites(look: &Look<'_>) -> Vec<Site> {
    let mkdocs = look.homes(&["mkdocs.yml"], |_| true).0.into_iter().map(|folder| Site { package: "mkdocs", folder });
    let is_sphinx = |folder: &RepoPath| {
        let text = look.read(folder, "conf.py").unwrap_or_default();
        text.contains("extensions") && (text.contains("sphinx") || text.contains("html_theme"))
    };
    let confs = look.homes(&["conf.py"], |_| true).0.into_iter().filter(is_sphinx);
    mkdocs.chain(confs.map(|folder| Site { package: "sphinx", folder })).collect()
}

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    for site in sites(look) {
        let taken = found.projects.iter().any(|(project, steps)| {
            site.folder.is_in(&project.folder) && steps.iter().any(|step| step.role == site.package)
        });
        if let Some(step) = site.step(&site.folder, |command| Some(command.to_owned())).filter(|_| !taken) {
            let why = format!("needs {} and the extensions that its settings name", site.package);
            found.add(ProjectKind::Docs, &site.folder, site.package, vec![Draft { why, ..step }]);
        }
    }
    for folder in look.homes(&["book.toml"], |_| true).0 {
        let book = Draft {
            role: "book",
            run: "mdbook build".into(),
            kind: Some(Kind::Docs),
            outputs: vec!["./book/**".into()],
            why: "needs mdbook".into(),
            ..Draft::default()
        };
        found.add(ProjectKind::Docs, &folder, "mdbook", vec![book]);
    }
}

//! The files under `templates/`, embedded.

/// One workflow to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// What `wf init --template` calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The configuration.
    pub text: &'static str,
}

macro_rules! template {
    ($name:literal, $about:literal) => {
        Template { name: $name, about: $about, text: include_str!(concat!("../templates/", $name, ".yaml")) }
    };
}

static ALL: [Template; 11] = [
    template!("docs-only", "a repository or branch of documentation"),
    template!("test-only", "the tests a change can affect, and nothing else"),
    template!("feature", "a staged pipeline for feature branches"),
    template!("rust", "Cargo"),
    template!("node", "npm, pnpm, yarn or bun"),
    template!("python", "uv, poetry, pdm or pip"),
    template!("go", "Go modules"),
    template!("java", "Maven or Gradle"),
    template!("make", "a Makefile"),
    template!("docs", "a documentation site"),
    Template {
        name: "ai-pipeline",
        about: "sixteen steps with personas that review what changed",
        text: include_str!("../templates/workflows/ai-pipeline.yaml"),
    },
];

/// A workflow for GitHub Actions, with `__ACTION__` and `__BRANCH__` to fill in.
pub const GITHUB_WORKFLOW: &str = include_str!("../templates/ci/github.yaml");

/// Every template.
pub fn all() -> &'static [Template] {
    &ALL
}

/// The template of a name.
pub fn find(name: &str) -> Option<&'static Template> {
    ALL.iter().find(|template| template.name == name)
}

#[cfg(test)]
mod tests {
    use crate::config::{self, Layer, Source};

    #[test]
    fn every_template_is_a_configuration_that_wf_reads() {
        for template in super::all() {
            let text = template.text.to_owned();
            assert!(text.starts_with(&config::schema_comment()), "{}", template.name);
            let loaded = config::load(&[Source { name: template.name.into(), text, layer: Layer::Project }], &[]);
            let loaded = loaded.unwrap_or_else(|errors| panic!("{}", config::render(&errors, false)));
            assert!(!loaded.workflow.steps.is_empty() && loaded.warnings.is_empty(), "{}", template.name);
            assert_eq!(super::find(template.name), Some(template));
            for step in loaded.workflow.steps.iter().filter(|step| step.cache.is_on()) {
                assert_ne!(step.id.as_str(), "install", "{}: installed packages are not worth a cache", template.name);
            }
        }
    }

    #[test]
    fn every_kind_has_a_template_and_every_file_is_embedded() {
        for kind in crate::workspace::detect::ProjectKind::ALL {
            assert!(super::find(kind.name()).is_some(), "{kind}");
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let names_in = |folder: &std::path::Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
            files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let mut files = [names_in(&folder), names_in(&folder.join("workflows"))].concat();
        files.sort();
        let mut names: Vec<String> = super::all().iter().map(|template| format!("{}.yaml", template.name)).collect();
        names.sort();
        assert_eq!(files, names);
    }
}

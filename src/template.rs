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

static ALL: [Template; 10] = [
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
];

/// Every template.
pub fn all() -> &'static [Template] {
    &ALL
}

/// The template of a name.
pub fn find(name: &str) -> Option<&'static Template> {
    ALL.iter().find(|template| template.name == name)
}

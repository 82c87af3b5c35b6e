//! The variables of a template, which of them a step may use, and what stands in their place.

use crate::ai::problem::{Kind, Problem};
use crate::base::RepoPath;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a template may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of a step with `each: true`: its one file, and what is the same for every change.
    File,
    /// Of any other: also what belongs to this change and this run.
    Run,
}

/// Each variable, and whether it is the same for every change. `name.*` stands for all below it.
const KNOWN: &[(&str, bool)] = &[
    ("project.kind", true),
    ("project.language", true),
    ("files", true),
    ("file.path", true),
    ("file.content", true),
    ("file.language", true),
    ("part.number", true),
    ("part.of", true),
    ("part.first_line", true),
    ("change.summary", false),
    ("change.files", false),
    ("diff", false),
    ("steps.*", false),
];

/// A file as a template sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// From the repository's root.
    pub path: String,
    /// Its text, each line with its number before it where findings are wanted.
    pub content: String,
    /// By its name's end.
    pub language: &'static str,
}

/// What stands in place of the variables.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `project.kind`
    pub project_kind: String,
    /// `files`; with `each`, the one file is `file` too.
    pub files: Vec<FileText>,
    /// `change.summary`
    pub summary: String,
    /// `change.files`
    pub changed: Vec<String>,
    /// `diff`
    pub diff: String,
    /// `steps.ID`: what a step printed.
    pub steps: BTreeMap<String, String>,
    /// Which part of how many, and the first line of it, where a file had to be cut.
    pub part: Option<(usize, usize, u32)>,
}

/// What a template uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Variables that belong to the run.
    pub wide: Vec<String>,
    /// It uses `files`, or the one `file`.
    pub files: bool,
}

/// What a template uses.
///
/// # Errors
/// It does not parse, or uses what does not exist, or in this scope must not be used.
pub fn check(name: &str, text: &str, scope: Scope) -> Result<Uses, Problem> {
    let wrong = |message: String| Problem::new(Kind::Template, message);
    // Only what it names is looked at: that needs none of the filters there are.
    let env = Environment::empty();
    let template = env.template_from_str(text).map_err(|error| wrong(format!("the template `{name}`: {error}")))?;
    let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    used.sort();
    let mut uses = Uses::default();
    for variable in used {
        uses.files |= variable == "files" || variable.starts_with("file.");
        let fits = |known: &str| {
            variable == known
                || known.strip_suffix(".*").is_some_and(|above| {
                    variable == above || variable.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
                })
        };
        let Some((_, stable)) = KNOWN.iter().find(|(known, _)| fits(known)) else {
            let near = crate::base::suggest::nearest(&variable, KNOWN.iter().map(|(known, _)| *known));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(wrong(format!("the template `{name}` uses `{variable}`, which does not exist{near}")));
        };
        if !stable {
            if scope == Scope::File {
                let why = "with `each: true` an answer may depend on its file alone, or every change would ask about all files again";
                return Err(wrong(format!(
                    "the template `{name}` uses `{variable}`, which belongs to the whole change: {why}"
                )));
            }
            uses.wide.push(variable);
        } else if scope == Scope::Run && variable.starts_with("file.") {
            return Err(wrong(format!(
                "the template `{name}` uses `{variable}`, which needs `each: true`; `files` has all"
            )));
        }
    }
    Ok(uses)
}

/// Fills a template in once, so that what does not exist below a variable of its own (`{% for f in files %}{{ f.name }}`) is
/// named before anything is asked.
///
/// # Errors
/// It uses what does not exist.
pub fn tried(name: &str, text: &str, scope: Scope, uses: &Uses) -> Result<(), Problem> {
    let file = FileText { path: "a".into(), content: "a".into(), language: "a" };
    let steps =
        uses.wide.iter().filter_map(|name| name.strip_prefix("steps.")).map(|step| (step.to_owned(), "a".to_owned()));
    let some = || "a".to_owned();
    let with = Variables {
        project_kind: some(),
        files: vec![file; if scope == Scope::File { 1 } else { 2 }],
        summary: some(),
        changed: vec![some()],
        diff: some(),
        steps: steps.collect(),
        part: None,
    };
    filled(text, &with).map(drop).or_else(|error| match (error.kind(), error.range()) {
        (minijinja::ErrorKind::UndefinedError, Some(range)) => {
            let what = text.get(range).unwrap_or_default().trim();
            let message = format!("the template `{name}` uses `{what}`, which does not exist");
            Err(Problem::new(Kind::Template, message))
        }
        // What only some values bring about shows when they are there.
        _ => Ok(()),
    })
}

/// The text of a template with everything in its place.
///
/// # Errors
/// See [`check`]; and what only shows when it is filled in.
pub fn render(name: &str, text: &str, with: &Variables) -> Result<String, Problem> {
    filled(text, with).map_err(|error| Problem::new(Kind::Template, format!("the template `{name}`: {error}")))
}

/// What templates are filled in with.
static STRICT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_debug(true);
    env.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_else(|error| unreachable!("the usual marks: {error}")),
    );
    env
});

fn filled(text: &str, with: &Variables) -> Result<String, minijinja::Error> {
    let template = STRICT.template_from_str(text)?;
    let (number, of, first_line) = with.part.unwrap_or((1, 1, 1));
    let shown = |file: &FileText| {
        let path = inside(&file.path).replace('"', "&quot;");
        context! { path, content => inside(&file.content), language => file.language }
    };
    let files: Vec<Value> = with.files.iter().map(shown).collect();
    let file = files.first().filter(|_| files.len() == 1).cloned();
    let changed: Vec<String> = with.changed.iter().map(|path| inside(path)).collect();
    let steps: BTreeMap<String, String> = with.steps.iter().map(|(step, text)| (step.clone(), inside(text))).collect();
    template.render(context! {
        project => context! { kind => with.project_kind.clone(), language => language_of_kind(&with.project_kind) },
        files => files,
        file => file,
        change => context! { summary => inside(&with.summary), files => changed },
        diff => inside(&with.diff),
        steps => steps,
        part => context! { number, of, first_line },
    })
}

/// A text that stands between tags cannot end them: `</file>` in a file is shown as `<\/file>`.
fn inside(text: &str) -> String {
    const TAGS: [&str; 3] = ["</file", "</diff", "</summary"];
    if !text.contains("</") {
        return text.to_owned();
    }
    TAGS.iter().fold(text.to_owned(), |text, tag| text.replace(tag, &tag.replace('/', "\\/")))
}

fn language_of_kind(kind: &str) -> &'static str {
    match kind {
        "rust" => "Rust",
        "node" => "JavaScript",
        "python" => "Python",
        "go" => "Go",
        "java" => "Java",
        _ => "",
    }
}

/// The language of a file, by the end of its name.
pub fn language(path: &RepoPath) -> &'static str {
    const ENDS: &[(&str, &str)] = &[
        ("rs", "rust"),
        ("py", "python"),
        ("js", "javascript"),
        ("mjs", "javascript"),
        ("jsx", "jsx"),
        ("ts", "typescript"),
        ("tsx", "tsx"),
        ("go", "go"),
        ("java", "java"),
        ("kt", "kotlin"),
        ("c", "c"),
        ("h", "c"),
        ("cc", "cpp"),
        ("cpp", "cpp"),
        ("hpp", "cpp"),
        ("cs", "csharp"),
        ("rb", "ruby"),
        ("php", "php"),
        ("swift", "swift"),
        ("sh", "shell"),
        ("md", "markdown"),
        ("rst", "rst"),
        ("html", "html"),
        ("css", "css"),
        ("json", "json"),
        ("yaml", "yaml"),
        ("yml", "yaml"),
        ("toml", "toml"),
        ("sql", "sql"),
    ];
    let name = path.to_string();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    ENDS.iter().find(|(known, _)| *known == end).map_or("", |(_, language)| language)
}

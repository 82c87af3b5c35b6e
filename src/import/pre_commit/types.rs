//! File types of pre-commit's `identify` as wf's patterns. Pure.
//!
//! Source: the tables of identify 2.6.15 (`identify/extensions.py`, `identify/interpreters.py`). identify goes by the extension in
//! any case, by whole names, by parts of names between dots, and, where a name says nothing, by the first line of a program.

/// One type: its extensions, its names, and whether a first line may tell it.
pub(super) struct Type {
    name: &'static str,
    extensions: &'static [&'static str],
    names: &'static [&'static str],
    by_first_line: bool,
}

const fn of(name: &'static str, extensions: &'static [&'static str]) -> Type {
    Type { name, extensions, names: &[], by_first_line: false }
}

/// Types that are told by names; others narrow nothing here.
const TYPES: [Type; 24] = [
    Type {
        names: &[".pdbrc", "wscript"],
        by_first_line: true,
        ..of("python", &["py", "pyi", "pyx", "pxd", "gyp", "gypi", "pyt", "tac", "wsgi"])
    },
    of("pyi", &["pyi"]),
    of("jupyter", &["ipynb"]),
    Type {
        names: &[".ansible-lint", ".clang-format", ".clang-tidy", ".salt-lint", ".yamllint"],
        ..of("yaml", &["yaml", "yml", "eyaml", "yamlld"])
    },
    Type {
        names: &[".babelrc", ".bowerrc", ".csslintrc", ".jshintrc", ".mention-bot", "Pipfile.lock"],
        ..of("json", &["json", "ejson", "geojson", "ipynb", "jsonld", "piskel", "xctestplan"])
    },
    Type { names: &["Cargo.lock", "Pipfile", "poetry.lock"], ..of("toml", &["toml"]) },
    of(
        "xml",
        &[
            "xml", "csproj", "fsproj", "gpx", "inx", "kml", "lpi", "mscx", "pom", "props", "pyproj", "resx", "rng",
            "svg", "targets", "urdf", "vbproj", "vcxproj", "wsdl", "xacro", "xhtml", "xsd", "xsl", "xslt", "yin",
            "zcml",
        ],
    ),
    of("markdown", &["md", "markdown"]),
    of("rst", &["rst"]),
    Type { by_first_line: true, ..of("javascript", &["js", "mjs", "cjs"]) },
    of("jsx", &["jsx"]),
    of("ts", &["ts", "mts", "cts"]),
    of("tsx", &["tsx"]),
    of("css", &["css"]),
    of("scss", &["scss"]),
    of("html", &["html", "htm", "xhtml"]),
    of("rust", &["rs"]),
    of("go", &["go"]),
    of("java", &["java"]),
    of("c", &["c", "h"]),
    of(
        "c++",
        &[
            "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "c++", "c++m", "ccm", "cppm", "cxxm", "inl", "ino", "ipp",
            "ixx", "mm", "tpp",
        ],
    ),
    of("cuda", &["cu", "cuh"]),
    of("terraform", &["tf", "tfvars"]),
    of("proto", &["proto"]),
];

/// What several types come down to.
pub(super) struct Kinds(Vec<&'static Type>);

impl Kinds {
    /// `all` have to hold, one of `any` has to; none if that does not come down to names.
    pub fn of(all: &[&str], any: &[&str]) -> Option<Self> {
        let known = |name: &&str| TYPES.iter().find(|known| known.name == *name);
        // One of `types` that is known is enough to narrow.
        if let Some(kind) = all.iter().find_map(known) {
            return Some(Self(vec![kind]));
        }
        let found: Vec<&Type> = any.iter().filter_map(known).collect();
        (!any.is_empty() && found.len() == any.len()).then_some(Self(found))
    }

    /// May a file whose name says nothing be of such a type?
    pub fn by_first_line(&self) -> bool {
        self.0.iter().any(|kind| kind.by_first_line)
    }

    /// The patterns of such files below `folder`, which is `**` or ends with `/**`.
    pub fn below(&self, folder: &str) -> Vec<String> {
        let mut extensions: Vec<&str> = self.0.iter().flat_map(|kind| kind.extensions).copied().collect();
        if self.0.len() > 1 {
            extensions.sort_unstable();
            extensions.dedup();
        }
        // What has no dot in its name may be a program.
        let programs = [folder.to_owned(), format!("!{folder}/*.*")];
        let mut out: Vec<String> = programs.into_iter().filter(|_| self.by_first_line()).collect();
        out.push(format!("{folder}/*.{}", braces(&extensions)));
        let names = self.0.iter().flat_map(|kind| kind.names);
        // A name without a dot counts between dots, too: `Pipfile.dev`.
        let (whole, parts): (Vec<&str>, Vec<&str>) = names.copied().partition(|name| name.contains('.'));
        if !whole.is_empty() {
            out.push(format!("{folder}/{}", braces(&whole)));
        }
        out.extend(parts.iter().map(|name| format!("{folder}/{{,*.}}{name}{{,.*}}")));
        out
    }
}

fn braces(texts: &[&str]) -> String {
    if let [single] = texts { (*single).to_owned() } else { format!("{{{}}}", texts.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{GlobSet, RepoPath};

    #[test]
    fn files_that_identify_knows_by_name() {
        for (kind, yes, no) in [
            ("json", &["a.json", "x/.babelrc", "Pipfile.lock", "n.ipynb"][..], &["a.js", "Pipfile"][..]),
            ("toml", &["Cargo.lock", "x/Pipfile", "Pipfile.dev", "old.Pipfile", "a.toml"], &["Pipfiles", "a.lock"]),
            ("yaml", &[".yamllint", "a/b.eyaml", "x.yml"], &["yamllint", "a.json"]),
            ("xml", &["a.csproj", "pom.xml", "i.svg"], &["a.html"]),
            ("python", &["a.py", "bin/tool", "wscript", "x.pyi", "d/.pdbrc", "s.wsgi"], &["a.js", "README.md"]),
            ("c++", &["a.hpp", "a.ino", "a.c++"], &["a.c"]),
        ] {
            let patterns = Kinds::of(&[kind], &[]).unwrap().below("**");
            let set = GlobSet::parse(&patterns, &RepoPath::root()).unwrap();
            for path in yes {
                assert!(set.is_match(&RepoPath::from(*path)), "{kind} {path}: {patterns:?}");
            }
            for path in no {
                assert!(!set.is_match(&RepoPath::from(*path)), "{kind} {path}: {patterns:?}");
            }
        }
        assert!(Kinds::of(&["text"], &[]).is_none() && Kinds::of(&[], &["yaml", "text"]).is_none());
        // Every pattern of every type is one of wf's.
        for kind in &TYPES {
            assert!(GlobSet::parse(&Kinds(vec![kind]).below("a/**"), &RepoPath::root()).is_ok(), "{}", kind.name);
        }
    }
}

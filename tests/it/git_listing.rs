//! Everything that is there: what the file system says of it, which blobs it still is, and what attributes say of it.

use super::git_repo::Scratch;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use wf::git::Mode;
use wf::tree::{FileKind, FileStat, Form, Listed};

pub fn list(git: &Scratch) -> Vec<Listed> {
    git.open().changes_and_listing(None, Mode::All).unwrap().1.files
}

/// Kind and looks are those of `lstat`, and a blob that is told has the file's very bytes.
pub fn is_as_the_file_system_says(git: &Scratch, file: &Listed) {
    let full = file.path.under(&git.root);
    let about = full.symlink_metadata().unwrap();
    let (mtime, ctime) = ((about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec()));
    assert_eq!(file.stat, FileStat::new(about.len(), mtime, ctime, about.ino(), about.mode()), "{}", file.path);
    let kind = match about.file_type() {
        kind if kind.is_symlink() => FileKind::Symlink,
        kind if kind.is_dir() => FileKind::Repository,
        _ => FileKind::Regular { executable: about.permissions().mode() & 0o100 != 0 },
    };
    assert_eq!(file.kind, kind, "{}", file.path);
    if let Some(blob) = file.blob {
        let bytes = if kind == FileKind::Symlink {
            std::fs::read_link(&full).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            std::fs::read(&full).unwrap()
        };
        let name = git2::Oid::hash_object(git2::ObjectType::Blob, &bytes).unwrap();
        assert_eq!(name.as_bytes(), blob, "{}", file.path);
    }
}

/// Name, blob known, and whether the file had to be read for that.
fn told(git: &Scratch) -> Vec<(String, bool, bool)> {
    let told = list(git).into_iter().map(|file| (file.path.to_string(), file.blob.is_some(), file.read));
    told.collect()
}

/// Old files that git has added since: nothing about them is racy.
fn settled() -> Scratch {
    let git = Scratch::new();
    for name in ["a", "b", "c", "d", "e"] {
        git.write(name, "same size\n");
        git.command(&git.root, "touch").args(["-d", "2020-01-01 12:00:00.123456789", name]).status().unwrap();
    }
    git.symlink("a", "link").commit("old");
    git.git(&["update-index", "--refresh"]);
    git
}

#[test]
fn a_blob_is_told_only_where_the_file_is_surely_that_blob() {
    let git = settled();
    git.command(&git.root, "touch").args(["-d", "2020-01-01 12:00:00.123456789", "b"]).status().unwrap();
    git.write("c", "other siz\n");
    git.command(&git.root, "touch").args(["-d", "2020-01-01 12:00:00.123456789", "c"]).status().unwrap();
    git.git(&["update-index", "--assume-unchanged", "d"]);
    git.chmod("e", 0o755).write("new", "same size\n");
    let plain = |name: &str, blob: bool, read: bool| (name.to_owned(), blob, read);
    let expected = [
        plain("a", true, false),
        // Touched: its bytes were compared.
        plain("b", true, true),
        // The same size and time, and yet not the same: the change time tells.
        plain("c", false, false),
        plain("d", false, false),
        plain("e", true, true),
        // As young as the index.
        plain("link", true, true),
        plain("new", false, false),
    ];
    assert_eq!(told(&git), expected);
    for file in &list(&git) {
        is_as_the_file_system_says(&git, file);
    }
    // Whoever told git to look less closely is not believed here.
    git.git(&["config", "core.trustctime", "false"]);
    git.git(&["config", "core.checkstat", "minimal"]);
    assert_eq!(told(&git)[0], plain("a", true, false));
    assert_eq!(told(&git)[2], plain("c", false, false));
}

#[test]
fn what_git_has_no_kind_for_is_not_listed() {
    let git = settled();
    git.remove("a").remove("b");
    for name in ["a", "pipe"] {
        assert!(git.command(&git.root, "mkfifo").arg(name).status().unwrap().success());
    }
    std::fs::create_dir(git.path("b")).unwrap();
    git.write("b/inside", "x").write(".gitignore", "*.log\n").write("x.log", "x");
    git.git(&["init", "--quiet", "nested"]);
    git.write("nested/x", "x");
    let names: Vec<_> = list(&git).iter().map(|file| (file.path.to_string(), file.kind)).collect();
    let regular = FileKind::Regular { executable: false };
    let names: Vec<_> = names.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let expected = [
        (".gitignore", regular),
        ("b/inside", regular),
        ("c", regular),
        ("d", regular),
        ("e", regular),
        ("link", FileKind::Symlink),
        ("nested", FileKind::Repository),
    ];
    assert_eq!(names, expected);
}

/// What git itself says, taken together as git takes it when it adds a file.
fn form(git: &Scratch, paths: &[&str]) -> Vec<Form> {
    let asked = ["text", "crlf", "eol", "filter", "ident", "working-tree-encoding"];
    let said = git.git(&[&["check-attr", "-z"], &asked[..], &["--"], paths].concat());
    let values: Vec<&str> = said.split('\0').skip(2).step_by(3).collect();
    let of = |values: &[&str]| {
        let [text, crlf, eol, filter, ident, encoding] = values[..] else { panic!("{values:?}") };
        let set = |value: &str| !["unset", "unspecified", "set"].contains(&value);
        let read = |value: &str| match value {
            "set" | "input" => Some(Form::Text),
            "unset" => Some(Form::Raw),
            "auto" => Some(Form::Auto),
            _ => None,
        };
        if set(filter) || set(encoding) || ident == "set" {
            return Form::Filtered;
        }
        let ends = ["lf", "crlf"].contains(&eol);
        read(text).or_else(|| read(crlf)).unwrap_or(if ends { Form::Text } else { Form::Raw })
    };
    values.chunks_exact(6).map(of).collect()
}

#[test]
fn attributes_say_what_git_says() {
    const PATTERNS: &[&str] =
        &["*", "*.txt", "a/*", "/b.txt", "a/**/c", "**/d.txt", "a/b/", "\"a b.txt\"", "[ab].txt", "!b.txt", "a", "c?"];
    const SAID: &[&str] = &[
        "text",
        "-text",
        "!text",
        "text=auto",
        "eol=lf",
        "eol=crlf -text",
        "binary",
        "-binary",
        "!binary",
        "prose",
        "-prose text",
        "filter=lfs -text",
        "-filter",
        "ident",
        "!ident text",
        "crlf",
        "-crlf",
        "crlf=input",
        "working-tree-encoding=UTF-16",
        "text=odd eol=lf",
        "text bad@name",
    ];
    let paths = ["b.txt", "a/b.txt", "a/b/c", "a/b/d.txt", "a b.txt", "c", "ca", "a/a/a", "a/b/a b.txt"];
    let mut dice = super::git_random::Dice(7);
    for round in 0..60 {
        let git = Scratch::new();
        for path in paths {
            git.write(path, "x");
        }
        let mut texts = vec![];
        for folder in ["", "a/", "a/b/", ".git/info/"] {
            let line = |dice: &mut super::git_random::Dice| format!("{} {}\n", dice.pick(PATTERNS), dice.pick(SAID));
            let mut text: String = (0..dice.roll(4)).map(|_| line(&mut dice)).collect();
            if dice.roll(3) == 0 {
                text.insert_str(0, &format!("[attr]prose {}\n", dice.pick(SAID)));
            }
            let name = if folder == ".git/info/" { ".git/info/attributes" } else { &format!("{folder}.gitattributes") };
            git.write(name, &text);
            texts.push(format!("{name}: {text}"));
        }
        let attributes = git.open().changes_and_listing(None, Mode::All).unwrap().1.attributes;
        let ours: Vec<Form> = paths.iter().map(|path| attributes.form(&(*path).into())).collect();
        assert_eq!(ours, form(&git, &paths), "round {round}: {texts:#?}");
    }
}

#[test]
fn attribute_files_may_be_ignored_but_are_not_followed() {
    let git = Scratch::new();
    git.write("a/x.txt", "x").write("a/.gitattributes", "*.txt text\n").write(".gitignore", ".gitattributes\n");
    let attributes = |git: &Scratch| git.open().changes_and_listing(None, Mode::All).unwrap().1.attributes;
    assert_eq!(attributes(&git).form(&"a/x.txt".into()), Form::Text);
    git.write("rules", "*.txt text\n").remove("a/.gitattributes").symlink("../rules", "a/.gitattributes");
    assert_eq!(form(&git, &["a/x.txt"]), [Form::Raw]);
    assert_eq!(attributes(&git).form(&"a/x.txt".into()), Form::Raw);
}

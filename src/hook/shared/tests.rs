//! Folders of dependencies, made and shared.

use super::*;
use std::os::unix::fs::symlink;

struct Place {
    _dir: tempfile::TempDir,
    root: PathBuf,
    scratch: PathBuf,
    notes: PathBuf,
}

fn place(folders: &[&str]) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().canonicalize().unwrap();
    let [root, scratch, notes] = ["repo", "scratch", "notes"].map(|name| top.join(name));
    for folder in folders {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir_all(scratch.join("packages/a")).unwrap();
    Place { _dir: dir, root, scratch, notes }
}

#[test]
fn links_that_lead_back_lead_into_the_scratch_and_the_others_do_not() {
    let here = place(&["node_modules/left", "node_modules/@org", "node_modules/.cache/x", "packages/a"]);
    symlink("../packages/a", here.root.join("node_modules/a")).unwrap();
    symlink("../../packages/a", here.root.join("node_modules/@org/a")).unwrap();
    symlink("left", here.root.join("node_modules/alias")).unwrap();
    let folders = [RepoPath::from("node_modules")];
    let share = || share(&here.root, &here.scratch, &here.notes, &folders);
    assert_eq!(share().unwrap().python_path, Vec::<PathBuf>::new());
    let leads = |name: &str| fs::read_link(here.scratch.join("node_modules").join(name)).unwrap();
    assert_eq!(leads("a"), here.scratch.join("packages/a"));
    assert_eq!(leads("@org/a"), here.scratch.join("packages/a"));
    assert_eq!(leads("left"), here.root.join("node_modules/left"));
    assert_eq!(leads("alias"), here.root.join("node_modules/alias"));
    assert!(fs::read_dir(here.scratch.join("node_modules/.cache")).unwrap().next().is_none());
    // A new package shows; nothing of the user's is touched when it goes.
    fs::create_dir(here.root.join("node_modules/right")).unwrap();
    share().unwrap();
    assert_eq!(leads("right"), here.root.join("node_modules/right"));
    super::share(&here.root, &here.scratch, &here.notes, &[]).unwrap();
    assert!(!here.scratch.join("node_modules").exists() && here.root.join("node_modules/left").exists());
}

#[test]
fn a_link_back_deep_inside_is_refused_with_its_name() {
    let here = place(&["node_modules/.pnpm/node_modules", "packages/a"]);
    symlink("../../../packages/a", here.root.join("node_modules/.pnpm/node_modules/a")).unwrap();
    let problem = share(&here.root, &here.scratch, &here.notes, &["node_modules".into()]).unwrap_err();
    let Problem::Refused(refused) = problem else { panic!("{problem}") };
    assert_eq!((refused.link.as_str(), refused.target.as_str()), (".pnpm/node_modules/a", "packages/a"));
}

#[test]
fn editable_installs_are_found_before_the_repository() {
    let here = place(&[".venv/lib/python3.12/site-packages", "src/pkg", "lib/two"]);
    let site = here.root.join(".venv/lib/python3.12/site-packages");
    fs::write(here.root.join(".venv/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
    let root = here.root.display();
    fs::write(site.join("_pkg.pth"), format!("{root}/src\n/usr/lib/elsewhere\nimport os\n")).unwrap();
    fs::write(site.join("__editable___two_finder.py"), format!("MAPPING = {{'two': '{root}/lib/two'}}\n")).unwrap();
    let shared = share(&here.root, &here.scratch, &here.notes, &[".venv".into()]).unwrap();
    assert_eq!(shared.python_path, [here.scratch.join("lib"), here.scratch.join("src")]);
    let again = share(&here.root, &here.scratch, &here.notes, &[".venv".into()]).unwrap();
    assert_eq!(again, shared, "remembered");
}

#[test]
fn dependencies_are_told_from_what_is_built() {
    let here = place(&["node_modules", "target", ".venv", "own"]);
    fs::write(here.root.join(".venv/pyvenv.cfg"), "").unwrap();
    let ignored: [(RepoPath, bool); 5] = [
        (".venv".into(), true),
        ("env.txt".into(), false),
        ("node_modules".into(), true),
        ("own/pyvenv.cfg".into(), false),
        ("target".into(), true),
    ];
    let found = candidates(&here.root, ignored.iter().map(|(path, folder)| (path, *folder)));
    assert_eq!(found, [".venv", "node_modules", "own"].map(RepoPath::from));
}

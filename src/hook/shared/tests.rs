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

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn what_installers_write_in_an_environment_is_not_the_users() {
    let here = place(&[".venv/bin", "src/pkg"]);
    let (venv, mirrored, root) = (here.root.join(".venv"), here.scratch.join(".venv"), here.root.display());
    let site = "lib/python3.12/site-packages";
    let files = [
        ("pyvenv.cfg".to_owned(), "home = /usr/bin\n".to_owned()),
        (format!("{site}/foo/__init__.py"), "x = 1\n".to_owned()),
        (format!("{site}/pkg-1.dist-info/RECORD"), "__editable___pkg.pth,,\n".to_owned()),
        (format!("{site}/pkg-1.dist-info/direct_url.json"), format!("{{\"url\": \"file://{root}\"}}")),
        (format!("{site}/__editable___pkg.pth"), format!("{root}/src\n{root}2/src\n")),
        ("bin/tool".to_owned(), format!("#!{root}/.venv/bin/python\n")),
    ];
    for (file, text) in &files {
        write(venv.join(file), text);
    }
    symlink("lib", venv.join("lib64")).unwrap();
    symlink("/usr/bin/python3", venv.join("bin/python")).unwrap();
    let share = || share(&here.root, &here.scratch, &here.notes, &[".venv".into()]).unwrap();
    share();
    let read = |file: &str| fs::read_to_string(mirrored.join(file)).unwrap();
    let scratch = here.scratch.display();
    assert_eq!(read(&format!("{site}/__editable___pkg.pth")), format!("{scratch}/src\n{root}2/src\n"));
    assert_eq!(read("bin/tool"), format!("#!{scratch}/.venv/bin/python\n"));
    assert!(read(&format!("{site}/pkg-1.dist-info/direct_url.json")).contains(&format!("file://{scratch}\"")));
    assert_eq!(fs::read_link(mirrored.join("lib64")).unwrap(), Path::new("lib"));
    assert_eq!(fs::read_link(mirrored.join("bin/python")).unwrap(), Path::new("/usr/bin/python3"));
    // As an installer does: written in place what it wrote, removed what it listed.
    for (file, _) in files.iter().filter(|(file, _)| !file.ends_with("__init__.py")) {
        fs::write(mirrored.join(file), "installed\n").unwrap();
    }
    fs::remove_file(mirrored.join(format!("{site}/foo/__init__.py"))).unwrap();
    for (file, text) in &files {
        assert_eq!(&fs::read_to_string(venv.join(file)).unwrap(), text, "{file}");
    }
    share();
    assert_eq!(read(&format!("{site}/foo/__init__.py")), "x = 1\n", "what was removed is there again");
}

#[test]
fn links_that_a_step_removed_are_put_right_and_the_rest_is_not_made_again() {
    let here = place(&["node_modules/left", "node_modules/@org/b", "node_modules/.bin"]);
    fs::write(here.root.join("node_modules/.package-lock.json"), "{}").unwrap();
    symlink("../left/cli.js", here.root.join("node_modules/.bin/left")).unwrap();
    let share = || share(&here.root, &here.scratch, &here.notes, &["node_modules".into()]).unwrap();
    let mirrored = here.scratch.join("node_modules");
    share();
    assert_eq!(fs::read_link(mirrored.join(".bin/left")).unwrap(), Path::new("../left/cli.js"));
    fs::write(mirrored.join(".package-lock.json"), "scribbled").unwrap();
    assert_eq!(fs::read(here.root.join("node_modules/.package-lock.json")).unwrap(), b"{}");
    let made = mirror::time(&mirrored);
    share();
    assert_eq!(mirror::time(&mirrored), made);
    for link in ["left", "@org/b", ".bin/left"] {
        fs::remove_file(mirrored.join(link)).unwrap();
        share();
        assert!(mirrored.join(link).symlink_metadata().is_ok(), "{link}");
    }
}

#[test]
fn packages_that_require_a_workspace_are_copied_with_those_that_require_them() {
    let here = place(&["packages/a"]);
    let modules = here.root.join("node_modules");
    for (file, text) in [
        ("tool/package.json", r#"{"peerDependencies": {"@org/a": "*"}}"#),
        ("tool/index.js", "require('@org/a')"),
        ("@x/outer/package.json", r#"{"dependencies": {"tool": "1"}}"#),
        ("deep/package.json", "{}"),
        ("deep/node_modules/in/package.json", r#"{"optionalDependencies": {"@org/a": "1"}}"#),
        ("left/package.json", r#"{"dependencies": {"right": "1"}, "name": 7}"#),
        ("right/package.json", "no json"),
    ] {
        write(modules.join(file), text);
    }
    fs::create_dir(modules.join("@org")).unwrap();
    symlink("../../packages/a", modules.join("@org/a")).unwrap();
    share(&here.root, &here.scratch, &here.notes, &["node_modules".into()]).unwrap();
    let is_link = |name: &str| here.scratch.join("node_modules").join(name).is_symlink();
    assert_eq!(
        ["tool", "@x/outer", "deep", "left", "right", "@org/a"].map(is_link),
        [false, false, false, true, true, true]
    );
    let copied = here.scratch.join("node_modules/tool/index.js");
    assert_eq!(copied.canonicalize().unwrap(), copied, "Node looks from here");
}

#[test]
fn an_environment_elsewhere_is_looked_into_and_refused_where_no_path_helps() {
    let here = place(&["lib/two"]);
    let (venv, root) = (here.root.with_file_name("venv"), here.root.display());
    let site = venv.join("lib/python3.12/site-packages");
    write(site.join("_one.pth"), &format!("{root}/src\n"));
    write(site.join("__editable___two_finder.py"), &format!("# it's\nMAPPING = {{'two': '{root}/lib/two'}}\n"));
    assert_eq!(outside(&here.root, &venv).unwrap(), ["lib", "src"].map(PathBuf::from));
    write(site.join("__editable___three_finder.py"), &format!("MAPPING = {{'three': '{root}/lib/two'}}\n"));
    let Problem::Refused(refused) = outside(&here.root, &venv).unwrap_err() else { panic!() };
    assert_eq!((refused.link.as_str(), refused.target.as_str()), ("__editable___three_finder.py", "lib/two"));
}

#[test]
fn a_folder_that_is_a_link_is_shared_as_what_it_leads_to() {
    let here = place(&["packages/a"]);
    let far = here.root.with_file_name("far");
    write(far.join("left/index.js"), "1");
    symlink("../far", here.root.join("node_modules")).unwrap();
    let found = candidates(&here.root, [(&RepoPath::from("node_modules"), false)].into_iter());
    assert_eq!(found, [RepoPath::from("node_modules")]);
    share(&here.root, &here.scratch, &here.notes, &found).unwrap();
    assert_eq!(fs::read(here.scratch.join("node_modules/left/index.js")).unwrap(), b"1");
    assert!(!here.scratch.join("node_modules").is_symlink());
}

#[test]
fn what_an_older_wf_made_is_made_again() {
    let here = place(&["node_modules/left"]);
    let share = || share(&here.root, &here.scratch, &here.notes, &["node_modules".into()]).unwrap();
    share();
    let note = fs::read_dir(&here.notes).unwrap().next().unwrap().unwrap().path();
    let mut old: serde_json::Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();
    old.as_object_mut().unwrap().remove("made");
    fs::write(&note, old.to_string()).unwrap();
    fs::remove_file(here.scratch.join("node_modules/left")).unwrap();
    share();
    assert!(here.scratch.join("node_modules/left").exists());
}

//! Steps that fix: the working tree gets the fixes by merge, the commit stops, and nothing of the user's is lost.

use super::hook_rig::Rig;

/// Writes `fixed` for every `bad`, as formatters do.
const FIX: &str = "
steps:
  - {id: fix, run: 'sed -i s/bad/fixed/ src/*.rs', inputs: ['src/**'], writes: ['src/**'], tags: [pre-commit]}
";

/// So far apart that a merge tells the ends from each other.
fn text(first: &str, last: &str) -> String {
    format!("{first}\n1\n2\n3\n4\n5\n{last}\n")
}

fn rig() -> Rig {
    let rig = Rig::new(FIX);
    rig.write("src/a.rs", text("a", "z"));
    rig.git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "seed"]);
    rig
}

fn index(rig: &Rig) -> String {
    rig.git(&["show", ":src/a.rs"]) + "\n"
}

#[test]
fn a_fix_is_merged_with_what_is_not_staged_and_the_commit_stops() {
    let rig = rig();
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", text("bad", "mine")).chmod("src/a.rs", 0o755);
    let said = rig.try_commit(&[]).complains("fixed src/a.rs").complains("the commit stops");
    assert_ne!(said.code, 0);
    assert_eq!(rig.read("src/a.rs"), text("fixed", "mine"));
    assert_eq!(index(&rig), text("bad", "z"), "the index is the user's");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(rig.path("src/a.rs").metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!rig.exists(".git/wf-fixes"));
    // Again: it is fixed here, and still not staged.
    let _ = rig.try_commit(&[]).exits(1).complains("is fixed here, and not as it is staged");
    rig.git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
}

#[test]
fn the_same_lines_changed_by_both_are_left_to_the_user() {
    let rig = rig();
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", text("mine", "z"));
    let _ = rig.try_commit(&[]).exits(1).complains("not touched: src/a.rs: you changed the same lines");
    assert_eq!(rig.read("src/a.rs"), text("mine", "z"));
}

#[test]
fn staged_fixes_let_the_commit_go_on() {
    let rig = rig();
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", text("bad", "mine"));
    let _ = rig.hook(&["--stage-fixes"]).passed().complains("fixed src/a.rs");
    assert_eq!((index(&rig), rig.read("src/a.rs")), (text("fixed", "z"), text("fixed", "mine")));
    let _ = rig.try_commit(&[]).passed();
}

#[test]
fn an_index_that_is_made_for_one_commit_is_not_written() {
    let rig = rig();
    let script = rig.read(".git/hooks/pre-commit").replace("run pre-commit", "run pre-commit --stage-fixes");
    rig.write(".git/hooks/pre-commit", script);
    rig.write("src/a.rs", text("bad", "z"));
    let _ = rig.try_commit(&["-a"]).exits(1).complains("fixes are not staged");
    assert_eq!((index(&rig), rig.read("src/a.rs")), (text("a", "z"), text("fixed", "z")));
    rig.write("src/a.rs", text("bad", "z"));
    let _ = rig.try_commit(&["src/a.rs"]).exits(1).complains("fixes are not staged");
    assert_eq!(index(&rig), text("a", "z"));
}

#[test]
fn a_locked_index_is_left_alone() {
    let rig = rig();
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    rig.write(".git/index.lock", "");
    let _ = rig.hook(&["--stage-fixes"]).exits(1).complains("fixes could not be staged");
    assert_eq!(rig.read("src/a.rs"), text("fixed", "z"));
    std::fs::remove_file(rig.path(".git/index.lock")).unwrap();
    assert_eq!(index(&rig), text("bad", "z"));
}

#[test]
fn a_step_that_fixes_without_saying_so_is_found_out() {
    let rig = Rig::new(&FIX.replace(", writes: ['src/**']", ", cache: false"));
    rig.write("src/a.rs", "bad\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).exits(1).complains("the commit stops");
    assert_eq!(rig.read("src/a.rs"), "fixed\n");
}

#[test]
fn what_a_step_makes_comes_if_it_says_that_it_writes_it() {
    let config = FIX.replace("sed -i s/bad/fixed/ src/*.rs", "cp src/a.rs src/made.rs; echo x > passing");
    let rig = Rig::new(&config);
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).exits(1).complains("made src/made.rs");
    assert!(rig.exists("src/made.rs") && !rig.exists("passing"));
    rig.git(&["add", "src/made.rs"]);
    let _ = rig.try_commit(&[]).passed();
}

#[test]
fn a_fix_is_not_written_through_a_link() {
    let rig = Rig::new(&FIX.replace("sed -i s/bad/fixed/ src/*.rs", "echo fixed > src/a.rs; echo x > src/made.rs"));
    std::fs::create_dir(rig.outside("elsewhere")).unwrap();
    std::fs::write(rig.outside("elsewhere/a.rs"), "bad\n").unwrap();
    rig.write("src/a.rs", "bad\n").git(&["add", "src/a.rs"]);
    std::fs::remove_dir_all(rig.path("src")).unwrap();
    rig.symlink("../elsewhere", "src");
    let said = rig.try_commit(&[]).exits(1).complains("not touched: src/a.rs: src is a link here");
    let said = said.complains("not touched: src/made.rs: src is a link here");
    assert!(!said.err.contains("look at the fixes"), "there is none: {}", said.err);
    assert_eq!(std::fs::read(rig.outside("elsewhere/a.rs")).unwrap(), b"bad\n");
    assert!(!rig.outside("elsewhere/made.rs").exists());
}

#[test]
fn without_a_scratch_tree_a_step_that_edits_stops_the_commit() {
    let rig = rig();
    for (key, value) in [("clean", "cat"), ("smudge", "false"), ("required", "true")] {
        rig.git(&["config", &format!("filter.far.{key}"), value]);
    }
    rig.write("far.bin", "x\n").write(".gitattributes", "*.bin filter=far\n").git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "far"]);
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    let said = rig.try_commit(&[]).exits(1).complains("what is on disk is looked at");
    let _ = said.complains("the commit stops: src/a.rs changed on disk while steps ran");
    rig.git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.git(&["show", "HEAD:src/a.rs"]) + "\n", text("fixed", "z"));
}

#[test]
fn a_renamed_file_is_fixed_under_its_new_name() {
    let rig = rig();
    rig.git(&["mv", "src/a.rs", "src/b.rs"]);
    rig.write("src/b.rs", text("bad", "z")).git(&["add", "src/b.rs"]);
    let said = rig.hook(&["--stage-fixes"]).passed().complains("fixed src/b.rs");
    assert!(!said.err.contains("src/a.rs"), "{}", said.err);
    assert_eq!(rig.git(&["show", ":src/b.rs"]) + "\n", text("fixed", "z"));
}

#[test]
fn a_mode_is_brought_over_too() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new(&FIX.replace("sed -i s/bad/fixed/ src/*.rs", "chmod +x src/a.rs; sed -i s/bad/fixed/ src/*.rs"));
    let mode = || rig.path("src/a.rs").metadata().unwrap().permissions().mode() & 0o777;
    rig.write("src/a.rs", text("a", "z")).chmod("src/a.rs", 0o640).git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).exits(1).complains("fixed src/a.rs");
    assert_eq!((mode(), rig.read("src/a.rs")), (0o750, text("a", "z")));
    rig.write("src/a.rs", text("bad", "z")).chmod("src/a.rs", 0o644).git(&["add", "src/a.rs"]);
    let _ = rig.hook(&["--stage-fixes"]).passed().complains("fixed src/a.rs");
    assert_eq!((mode(), rig.read("src/a.rs")), (0o755, text("fixed", "z")));
    assert_eq!(rig.git(&["status", "--porcelain", "src/a.rs"]), "M  src/a.rs");
}

#[test]
fn lines_that_only_end_otherwise_are_nobodys_change() {
    let rig = rig();
    rig.write(".gitattributes", "*.rs text eol=crlf\n").git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "ends"]);
    // An editor wrote plain line ends; git stores the same.
    rig.write("src/a.rs", text("bad", "z")).git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).exits(1).complains("fixed src/a.rs");
    assert_eq!(rig.read("src/a.rs"), text("fixed", "z").replace('\n', "\r\n"));
    rig.git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
}

#[test]
fn the_first_run_of_all_keeps_what_it_knows_of_files() {
    let rig = Rig::new(&format!("strict: true\n{FIX}"));
    rig.write("src/a.rs", "bad\n").git(&["add", "src/a.rs"]);
    assert!(!rig.exists(".wf"));
    let said = rig.try_commit(&[]).exits(1).complains("fixed src/a.rs");
    assert!(!said.err.contains("digests"), "{}", said.err);
}

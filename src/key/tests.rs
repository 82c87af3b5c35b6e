//! Every field changes the key, and every change has its words.

use super::*;
use std::collections::BTreeMap;

fn inputs() -> KeyInputs {
    KeyInputs {
        step: StepId::parse("test").unwrap(),
        argv: vec!["cargo".into(), "test".into()],
        dir: RepoPath::root(),
        folder: None,
        env: [("RUSTFLAGS".into(), EnvValue::Unset)].into(),
        ambient: Arc::new([("CI".into(), EnvValue::Set(String::new()))].into()),
        tools: [("rustc --version".into(), "rustc 1.95.0".into())].into(),
        platform: "linux x86_64 glibc".into(),
        outputs: None,
        watched: vec![group(&[("src/lib.rs", "a"), ("src/main.rs", "b")])],
        needs: [(StepId::parse("build").unwrap(), Contribution::Outputs(Digest::of_bytes(b"out")))].into(),
        changed: None,
    }
}

fn group(files: &[(&str, &str)]) -> Arc<FileGroup> {
    let file = |(path, text): &(&str, &str)| WatchedFile {
        path: RepoPath::from(*path),
        mode: 0o100_644,
        digest: Digest::of_bytes(text.as_bytes()),
    };
    Arc::new(FileGroup::new(files.iter().map(file).collect()))
}

fn said(change: impl Fn(&mut KeyInputs)) -> Vec<String> {
    let (then, mut now) = (inputs(), inputs());
    change(&mut now);
    assert_ne!(then.key(), now.key(), "the change is not in the key");
    let groups: BTreeMap<Digest, Arc<FileGroup>> =
        then.watched.iter().chain(&now.watched).map(|group| (group.digest(), Arc::clone(group))).collect();
    let changes = diff(&then.manifest(), &now.manifest(), |digest| groups.get(digest).map(|group| &**group));
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn every_field_is_in_the_key_and_has_words() {
    let build = || StepId::parse("build").unwrap();
    let cases: Vec<(Vec<String>, &str)> = vec![
        (said(|k| k.step = build()), "the step has another id"),
        (said(|k| k.argv.push("-q".into())), "the command changed"),
        (said(|k| k.argv = vec!["cargotest".into()]), "the command changed"),
        (said(|k| k.dir = RepoPath::from("x")), "it runs in another folder"),
        (said(|k| k.folder = Some(RepoPath::root())), "it is for another folder"),
        (said(|k| drop(k.env.insert("RUSTFLAGS".into(), EnvValue::Set(String::new())))), "RUSTFLAGS was unset"),
        (said(|k| drop(Arc::make_mut(&mut k.ambient).insert("CI".into(), EnvValue::Unset))), "CI is unset now"),
        (said(|k| drop(Arc::make_mut(&mut k.ambient).insert("CI".into(), EnvValue::Set("1".into())))), "CI changed"),
        (said(|k| drop(k.env.insert("K".into(), EnvValue::Sealed(Digest::of_bytes(b"s"))))), "K was unset"),
        (said(|k| drop(k.tools.insert("rustc --version".into(), "2".into()))), "`rustc --version` says something else"),
        (said(|k| k.platform = "linux arm64".into()), "the platform is another"),
        (said(|k| k.outputs = Some(vec![])), "its declared outputs changed"),
        (
            said(|k| k.needs = [(build(), Contribution::Outputs(Digest::of_bytes(b"2")))].into()),
            "what it uses of build changed",
        ),
        (
            said(|k| k.needs = [(build(), Contribution::Key(Key(Digest::of_bytes(b"out"))))].into()),
            "what it uses of build changed",
        ),
        (said(|k| k.needs.clear()), "it does not need build any more"),
        (said(|k| k.watched = vec![group(&[("src/lib.rs", "2"), ("src/main.rs", "b")])]), "src/lib.rs changed"),
        (said(|k| k.watched = vec![group(&[("src/lib.rs", "a")])]), "src/main.rs is gone"),
        (said(|k| k.watched.push(group(&[("new", "")]))), "new is new"),
    ];
    for (said, expected) in cases {
        assert_eq!(said, [expected]);
    }
    let list =
        |paths: &[&str]| Some(ChangedList { base: None, paths: paths.iter().map(|p| RepoPath::from(*p)).collect() });
    assert_eq!(said(|k| k.changed = list(&["a"])), ["other files changed"]);
}

#[test]
fn a_group_that_is_forgotten_is_told_without_names() {
    let (then, mut now) = (inputs(), inputs());
    now.watched = vec![group(&[])];
    let changes = diff(&then.manifest(), &now.manifest(), |_| None);
    assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a file it watches changed"]);
}

#[test]
fn a_path_cannot_run_into_the_next_field() {
    assert_ne!(group(&[("a", "x"), ("b", "y")]).digest(), group(&[("b", "x"), ("a", "y")]).digest());
    assert_ne!(group(&[("ab", "")]).digest(), group(&[("a", ""), ("b", "")]).digest());
}

#[test]
fn several_texts_in_one_value_are_told_apart_again() {
    for texts_in in [&[][..], &[&b"a"[..]], &[b"", b"a b", b""]] {
        assert_eq!(texts(&list(texts_in.iter().copied())).unwrap(), texts_in);
    }
    assert_eq!((texts(b"short"), texts(&[9, 0, 0, 0, 0, 0, 0, 0, 1]), texts(&[255; 8])), (None, None, None));
}

proptest::proptest! {
    /// Manifests come back from the bytes they are stored as.
    #[test]
    fn manifests_round_trip(name in "\\PC{0,12}", value in proptest::option::of("\\PC{0,12}")) {
        let mut now = inputs();
        now.env.insert(name, value.map_or(EnvValue::Unset, EnvValue::Set));
        let manifest = now.manifest();
        let bytes = postcard::to_stdvec(&manifest).unwrap();
        proptest::prop_assert_eq!(postcard::from_bytes::<Manifest>(&bytes).unwrap(), manifest);
    }
}

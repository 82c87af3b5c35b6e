//! Cargo projects. Pure.

use super::{Detected, Draft, Look, ProjectKind};
use crate::config::model::Kind;

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    let (homes, aside) = look.homes(&["Cargo.toml"], |_| false);
    let is_member = |folder: &crate::base::RepoPath| {
        homes.iter().any(|home| {
            folder.is_in(home) && look.read(home, "Cargo.toml").is_some_and(|text| text.contains("[workspace"))
        })
    };
    let outside: Vec<_> = aside.into_iter().filter(|folder| !is_member(folder)).collect();
    for folder in &homes {
        let manifest = look.read(folder, "Cargo.toml").unwrap_or_default();
        // Without a committed Cargo.lock, --locked would refuse to run.
        let locked = if look.has(folder, "Cargo.lock") { " --locked" } else { "" };
        let cargo = |role, run: String, kind, why: &str| Draft {
            role,
            run,
            kind: Some(kind),
            lock: Some("cargo-target"),
            why: why.into(),
            ..Draft::default()
        };
        let mut steps = Vec::new();
        if look.first(folder, &["rustfmt.toml", ".rustfmt.toml"]).is_some() || look.ci_says(&["cargo fmt", "rustfmt"]) {
            let format =
                cargo("format", "cargo fmt --all --check".into(), Kind::Lint, "compiles nothing, so it takes no lock");
            steps.push(Draft { lock: None, no_prose: true, ..format });
        }
        let configured =
            look.first(folder, &["clippy.toml", ".clippy.toml"]).is_some() || manifest.contains("lints.clippy]");
        if configured || look.ci_says(&["cargo clippy", "clippy-action"]) {
            steps.push(cargo("clippy", format!("cargo clippy --workspace --all-targets{locked}"), Kind::Lint, ""));
        }
        steps.push(cargo("build", format!("cargo build --workspace{locked}"), Kind::Build, ""));
        let test = cargo("test", format!("cargo test --workspace{locked}"), Kind::Test, "");
        steps.push(Draft { after: vec!["build"], ..test });
        found.add(ProjectKind::Rust, folder, "cargo", steps);
    }
    found.leave_out("separate Cargo packages", &outside);
}

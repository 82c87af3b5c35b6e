//! Go modules: one project each, since `./...` stops at a module's border. Pure.

use super::{Detected, Draft, Look, ProjectKind};
use crate::config::model::Kind;

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    let (homes, aside) = look.homes(&["go.mod"], |_| true);
    for folder in &homes {
        let has_code = |path: &&crate::base::RepoPath| {
            let home = homes.iter().filter(|home| path.is_in(home)).max_by_key(|home| home.as_bytes().len());
            path.file_name().ends_with(b".go") && home == Some(folder)
        };
        if !look.files.iter().any(|path| has_code(&path)) {
            continue; // a module of nothing but tools or documentation
        }
        let go = |role, run: &str, kind| Draft { role, run: run.into(), kind: Some(kind), ..Draft::default() };
        let test = Draft { after: vec!["build"], ..go("test", "go test ./...", Kind::Test) };
        let vet = Draft { no_prose: true, ..go("vet", "go vet ./...", Kind::Lint) };
        let steps = vec![vet, go("build", "go build ./...", Kind::Build), test];
        found.add(ProjectKind::Go, folder, "go", steps);
    }
    found.leave_out("Go modules", &aside);
}

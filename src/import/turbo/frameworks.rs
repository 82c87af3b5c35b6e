//! Variables that turbo infers from the frameworks of a workspace. Pure.

use crate::base::RepoPath;
use crate::import::draft::Imported;
use crate::import::packages::Package;
use std::collections::BTreeSet;

/// Frameworks by the package that a project depends on, and the beginnings of the variables that turbo then passes to its tasks
/// by itself, as `frameworks.json` of its package `@turbo/types` has them.
const FRAMEWORKS: [(&str, &str); 17] = [
    ("astro", "PUBLIC_*"),
    ("blitz", "NEXT_PUBLIC_*"),
    ("react-scripts", "REACT_APP_*"),
    ("expo", "EXPO_PUBLIC_*"),
    ("gatsby", "GATSBY_*"),
    ("next", "NEXT_PUBLIC_*"),
    ("nitropack", "NITRO_*"),
    ("nuxt", "NUXT_*"),
    ("@redwoodjs/core", "REDWOOD_ENV_*"),
    ("@remix-run/dev", "REMIX_*"),
    ("@react-router/dev", "REMIX_*"),
    ("@sanity/cli", "SANITY_STUDIO_*"),
    ("solid-start", "VITE_*"),
    ("@sveltejs/kit", "VITE_*"),
    ("@sveltejs/kit", "PUBLIC_*"),
    ("vite", "VITE_*"),
    ("@vue/cli-service", "VUE_APP_*"),
];

/// A cached step sees what its `env` declares, and nothing of a framework's.
pub(super) fn tell(packages: &[Package], path: &RepoPath, out: &mut Imported) {
    let used = |name: &str| packages.iter().any(|package| package.depends.iter().any(|one| one == name));
    let found: BTreeSet<&str> = FRAMEWORKS.iter().filter(|(name, _)| used(name)).map(|(_, begin)| *begin).collect();
    if !found.is_empty() {
        let names: Vec<String> = found.into_iter().map(|begin| format!("`{begin}`")).collect();
        let why = "turbo passes them on by itself; a cached step sees only what its `env` declares";
        out.lose(path, 0, format!("variables {}", names.join(", ")), why, "name them in `env`");
    }
}

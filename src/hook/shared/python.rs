//! Where Python's editable installs lead.
//!
//! Does not know: links. Editable installs name folders in `.pth` and `.egg-link` files line by line, and in the finders that
//! setuptools writes as texts of Python (`MAPPING = {'name': '/path/name'}`).

use super::{Problem, Refused};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// An environment's `site-packages`.
pub(super) fn site_packages(folder: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("site-packages")).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// The folders of the repository, relative to it, that an environment's editable installs name. `only_by_path`: nothing but
/// a `PYTHONPATH` can lead elsewhere.
///
/// # Errors
/// Then one of them can be found under its name only where it is: it is called otherwise than its folder.
pub(super) fn named(root: &Path, venv: &Path, only_by_path: bool) -> Result<Vec<PathBuf>, Problem> {
    let mut found = vec![];
    let inside = |path: &Path| path.strip_prefix(root).ok().map(Path::to_owned);
    for file in site_packages(venv).iter().flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten()) {
        let (path, name) = (file.path(), file.file_name());
        let is_finder = name.as_bytes().starts_with(b"__editable__") && name.as_bytes().ends_with(b"_finder.py");
        let is_list = path.extension().is_some_and(|end| end == "pth" || end == "egg-link");
        let Some(text) = (is_finder || is_list).then(|| fs::read_to_string(&path).ok()).flatten() else { continue };
        if is_list {
            let lines = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
            found.extend(lines.filter_map(|line| inside(Path::new(line))));
            continue;
        }
        // `'name': '/path/name'`
        let pieces: Vec<&str> = text.split(['\'', '"']).collect();
        for (at, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.starts_with('/')) {
            let target = Path::new(piece);
            let (Some(folder), Some(target_inside)) = (target.parent().and_then(inside), inside(target)) else {
                continue;
            };
            let key = at.checked_sub(2).filter(|_| pieces[at - 1].trim() == ":").map(|before| pieces[before]);
            let key = key.and_then(|key| key.rsplit('.').next());
            if key.is_none_or(|key| target.file_stem().is_some_and(|stem| stem == key)) {
                found.push(folder);
            } else if only_by_path {
                return Err(Problem::Refused(Refused {
                    folder: venv.strip_prefix(root).unwrap_or(venv).display().to_string(),
                    link: name.to_string_lossy().into_owned(),
                    target: target_inside.display().to_string(),
                }));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The same of an environment that is not shared, because it is not one of the repository's ignored folders: the one that is
/// active (`VIRTUAL_ENV`, `CONDA_PREFIX`).
///
/// # Errors
/// See [`Problem::Refused`].
pub fn outside(root: &Path, venv: &Path) -> Result<Vec<PathBuf>, Problem> {
    let real = venv.canonicalize().unwrap_or_else(|_| venv.to_owned());
    named(root, &real, true)
}

//! Finds the program of a step, and says in plain words why one could not be started.

use super::job::Job;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Can there be a process with these arguments and variables at all?
///
/// # Errors
/// A sentence for people.
pub fn check(job: &Job) -> Result<(), String> {
    let variables = job.env.iter().flat_map(|(name, value)| [&**name, &**value]);
    if let Some(text) =
        job.argv.iter().map(OsString::as_os_str).chain(variables).find(|text| text.as_encoded_bytes().contains(&0))
    {
        let text = text.to_string_lossy().replace('\0', "\\0");
        return Err(format!("`{text}` contains a NUL byte, which no argument or variable can"));
    }
    if let Some((name, _)) = job.env.iter().find(|(name, _)| name.is_empty() || name.as_encoded_bytes().contains(&b'='))
    {
        return Err(format!("`{}` cannot be the name of a variable", name.to_string_lossy()));
    }
    Ok(())
}

/// The job's own `PATH`.
pub fn path(job: &Job) -> Option<&Arc<OsStr>> {
    job.env.iter().find(|(name, _)| **name == *"PATH").map(|(_, value)| value)
}

/// The file to execute: found in the job's own `PATH`, as its shell would.
///
/// # Errors
/// A sentence for people.
pub fn program(job: &Job) -> Result<PathBuf, String> {
    let name = job.argv.first().filter(|name| !name.is_empty()).ok_or("its command is empty")?;
    if name.as_encoded_bytes().contains(&b'/') {
        return Ok(job.dir.join(name));
    }
    let path = path(job).map_or(OsStr::new(""), |path| path);
    let mut unusable = None;
    for folder in std::env::split_paths(path) {
        let candidate = job.dir.join(folder).join(name);
        match access(&candidate, Access::EXEC_OK) {
            Ok(()) if candidate.is_file() => return Ok(candidate),
            Err(Errno::ACCESS) if candidate.is_file() => unusable = unusable.or(Some(candidate)),
            _ => {}
        }
    }
    if let Some(file) = unusable {
        return Err(not_executable(&file));
    }
    let shown = name.to_string_lossy();
    let path = path.to_string_lossy();
    Err(if path.is_empty() {
        format!(
            "`{shown}` was not found: the step's PATH is empty; declare PATH in its `env` or name the program by its path"
        )
    } else {
        format!("`{shown}` was not found in the step's PATH ({path}); install it, or name it by its path")
    })
}

/// What the operating system's refusal means here.
pub fn refusal(errno: i32, job: &Job, program: &Path) -> String {
    let (file, dir) = (program.display(), job.dir.display());
    if !job.dir.is_dir() {
        return format!("its folder {dir} does not exist; correct `dir`, or create it in an earlier step");
    }
    match Errno::from_raw_os_error(errno) {
        Errno::NOENT if !program.exists() => format!("{file} does not exist"),
        Errno::NOENT => format!("{file} needs an interpreter that is not there; look at its first line (`#!`)"),
        Errno::ACCESS if access(&job.dir, Access::EXEC_OK).is_err() => format!("its folder {dir} may not be entered"),
        Errno::ACCESS => not_executable(program),
        Errno::NOEXEC => {
            format!("{file} is no program for this machine; a script needs a first line such as `#!/bin/sh`")
        }
        Errno::TOOBIG => "its arguments and environment are longer than the system allows; pass them in a file".into(),
        Errno::AGAIN => "the system allows no more processes; lower `--jobs` or raise `ulimit -u`".into(),
        other => format!("{file} could not be started: {other}"),
    }
}

fn not_executable(file: &Path) -> String {
    if file.is_dir() {
        return format!("{} is a folder", file.display());
    }
    format!("{0} is not executable; `chmod +x {0}`, or start it through its interpreter", file.display())
}

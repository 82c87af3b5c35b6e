//! Takes ended children off the kernel's hands, with what they used.
//!
//! The only `unsafe` of exec: neither std nor rustix offers `wait4`, and nothing else knows the peak memory of a process
//! that has ended.

use super::wire::End;
use rustix::process::Pid;
use std::io;

/// A child that has ended.
pub struct Ended {
    /// Who it was.
    pub pid: Pid,
    /// How it ended.
    pub end: End,
}

/// The next child that has ended; none if none has. `ECHILD`: there are no children at all.
///
/// # Errors
/// What `wait4` says; never an interruption.
#[expect(unsafe_code, reason = "wait4 has no safe wrapper, and is the only source of a finished process's peak memory")]
pub fn next() -> io::Result<Option<Ended>> {
    let mut status: libc::c_int = 0;
    loop {
        // SAFETY: `rusage` is plain numbers, for which all zeroes is a value.
        let mut used: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live, writable locals of the types that wait4 wants.
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) };
        match Pid::from_raw(pid.max(0)) {
            Some(pid) => return Ok(Some(Ended { pid, end: end(status, &used) })),
            None if pid == 0 => return Ok(None),
            None => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

fn end(status: libc::c_int, used: &libc::rusage) -> End {
    let millis = |time: &libc::timeval| time.tv_sec as u64 * 1000 + time.tv_usec as u64 / 1000;
    End {
        code: if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 0 },
        signal: if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 },
        cpu_ms: millis(&used.ru_utime) + millis(&used.ru_stime),
        // Linux counts in KiB, macOS in bytes.
        memory_bytes: used.ru_maxrss as u64 * if cfg!(target_os = "linux") { 1024 } else { 1 },
        disk_bytes: (used.ru_inblock as u64 + used.ru_oublock as u64) * 512,
    }
}

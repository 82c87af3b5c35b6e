//! What an attempt leaves behind, whose it is, and what becomes of it.
//!
//! When a leader has ended, all that is left of it hangs from processes that the guard has adopted. So the guard's
//! children that are no running leaders are the roots of everything that was left behind, by whichever step.

use super::kin::{self, Process};
use super::wire::Reply;
use super::{Guard, kill_one};
use rustix::process::getpid;

/// How often a sweep tries, 10 ms apart, before it takes what is left for unkillable.
const ROUNDS: u32 = 200;

impl Guard {
    /// Adopted processes that may not stay, with whose they are. Where the kernel lists no children, only numbers from
    /// `from` on are looked at.
    fn strays(&mut self, from: i32) -> Vec<(Process, u32)> {
        let steps = &self.steps;
        let is_leader = |pid| steps.iter().any(|step| step.runs && step.leader.as_raw_nonzero().get() == pid);
        let found = self.own.children(from, is_leader);
        let mut owned = Vec::with_capacity(found.len());
        for stray in found {
            let name = (stray.pid, stray.began);
            if self.kept.contains(&name) || self.nobodys.contains(&name) {
                continue;
            }
            match self.owner(&stray) {
                Some(id) => owned.push((stray, id)),
                None => self.nobodys.push(name),
            }
        }
        owned
    }

    /// Has this attempt, whose leader has ended, left processes behind?
    pub(super) fn left_something(&mut self, at: usize) -> bool {
        let leader = self.steps[at].leader.as_raw_nonzero().get();
        // Numbers grow, so what it left behind has greater ones, unless they began anew: some other leader, started
        // later, would then mostly have a smaller one.
        let wrapped = self.steps.last().is_some_and(|newest| newest.leader.as_raw_nonzero().get() < leader);
        let id = self.steps[at].id;
        if cfg!(target_os = "linux") {
            self.strays(if wrapped { 1 } else { leader }).iter().any(|(_, owner)| *owner == id)
        } else {
            rustix::process::test_kill_process_group(self.steps[at].leader).is_ok()
        }
    }

    /// Has what it left behind ended by itself?
    pub(super) fn is_clear(&mut self, at: usize) -> bool {
        !self.steps[at].runs && !self.steps[at].swept && !self.left_something(at)
    }

    /// Whose stray it is: by its group, by the environment it was started with, or because nobody else can have left
    /// it. One that hides the first two among several steps is nobody's, lest the wrong step be blamed.
    fn owner(&self, stray: &Process) -> Option<u32> {
        let by_group = self.steps.iter().find(|step| step.leader.as_raw_nonzero().get() == stray.group);
        let by_env = || self.steps.iter().find(|step| kin::has_env(stray.pid, &step.mark));
        let alone = || if let [only] = self.steps.as_slice() { Some(only) } else { None };
        by_group.or_else(by_env).or_else(alone).map(|step| step.id)
    }

    /// Kills what an attempt left behind, but for what is called as `keep` says, and names all of it.
    pub(super) fn sweep(&mut self, id: u32, keep: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        for _ in 0..ROUNDS {
            let Some(at) = self.steps.iter().position(|step| step.id == id) else { break };
            self.steps[at].swept = true;
            if self.steps[at].runs {
                self.kill(id);
                self.breathe();
                continue;
            }
            let roots: Vec<Process> =
                self.strays(1).into_iter().filter(|(_, owner)| *owner == id).map(|(stray, _)| stray).collect();
            #[cfg(not(target_os = "linux"))]
            let _ = rustix::process::kill_process_group(self.steps[at].leader, rustix::process::Signal::KILL);
            if roots.is_empty() {
                break;
            }
            for root in roots {
                self.end_tree(root, keep, &mut names);
            }
            self.breathe();
        }
        self.steps.retain(|step| step.id != id || step.runs);
        if let Some(undying) = self.steps.iter_mut().find(|step| step.id == id) {
            undying.swept = false;
        }
        names
    }

    /// Ends one adopted process and its descendants; below one that may stay, everything may.
    fn end_tree(&mut self, root: Process, keep: &[Vec<u8>], names: &mut Vec<Vec<u8>>) {
        let below = kin::descendants(&[root.pid]);
        let mut spared: Vec<i32> = Vec::new();
        for kin in std::iter::once(root).chain(below) {
            let stays = spared.contains(&kin.parent) || kin::is_called(&kin, keep);
            if !names.contains(&kin.name) {
                names.push(kin.name.clone());
            }
            if stays {
                spared.push(kin.pid);
                self.kept.push((kin.pid, kin.began));
            } else {
                kill_one(&kin);
            }
        }
    }

    /// All descendants; without those that may stay and theirs, if they are to be spared.
    pub(super) fn all_but_kept(&self, spare: bool) -> Vec<Process> {
        let mut all = kin::descendants(&[getpid().as_raw_nonzero().get()]);
        if spare {
            let mut spared: Vec<i32> = Vec::new();
            all.retain(|kin| {
                let stays = spared.contains(&kin.parent) || self.kept.contains(&(kin.pid, kin.began));
                if stays {
                    spared.push(kin.pid);
                }
                !stays
            });
        }
        all
    }

    /// What an attempt's processes use now.
    pub(super) fn measure(&mut self, id: u32) -> Reply {
        let (mut cpu_ms, mut memory_bytes, mut disk_bytes) = (0, 0, 0);
        let strays = self.strays(1).into_iter().filter(|(_, owner)| *owner == id).map(|(stray, _)| stray);
        if let Some(step) = self.steps.iter().find(|step| step.id == id) {
            let leader = kin::read(step.leader.as_raw_nonzero().get()).filter(|_| step.runs);
            let roots: Vec<Process> = leader.into_iter().chain(strays).collect();
            let below = kin::descendants(&roots.iter().map(|root| root.pid).collect::<Vec<_>>());
            for kin in roots.iter().chain(&below) {
                cpu_ms += kin.ticks * 1000 / rustix::param::clock_ticks_per_second();
                memory_bytes += kin.pages * rustix::param::page_size() as u64;
                disk_bytes += kin::disk_bytes(kin.pid);
            }
        }
        Reply::Measured { id, cpu_ms, memory_bytes, disk_bytes }
    }
}

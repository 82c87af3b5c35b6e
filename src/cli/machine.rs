//! On what a run is made: processors, load, and the class of the machine. Two small files are read at most.
//!
//! Does not know: what becomes of it. All of it may be unknown; nothing here fails.

use super::context::Context;
use crate::event::Machine;

/// A longer label is cut: it is a name, not a text. In characters.
const LONGEST: usize = 80;

/// The machine that this process runs on.
pub fn machine(cx: &Context) -> Machine {
    let cores = std::thread::available_parallelism().map_or(0, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let load = std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| load(&text, cores)).unwrap_or(0.0);
    Machine { cores, load, runner: runner(|name| cx.env.get(name).map(|value| value.to_string_lossy().into_owned())) }
}

/// The first number of `/proc/loadavg` (proc(5): the average over one minute), per processor.
fn load(text: &str, cores: u32) -> Option<f32> {
    let one: f32 = text.split_whitespace().next()?.parse().ok()?;
    (one.is_finite() && one >= 0.0).then_some(one / cores.max(1) as f32)
}

/// The class of the machine. Runners that GitHub hosts have a new name for each job, and an image that says what they
/// are; others have a name of their own. Without a CI service: the operating system and architecture.
fn runner(get: impl Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
    let image = set("ImageOS").map(|image| match set("RUNNER_ARCH") {
        Some(arch) => format!("{image}-{arch}"),
        None => image,
    });
    let label =
        image.or_else(|| set("RUNNER_NAME")).or_else(|| set("CI_RUNNER_DESCRIPTION")).or_else(|| set("RUNNER_OS"));
    let label = label.unwrap_or_else(|| format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH));
    label.trim().chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_per_processor_and_nonsense_is_none() {
        assert_eq!(load("3.00 0.80 0.59 1/467 12345\n", 2), Some(1.5));
        assert_eq!(load("0.50 1 1", 0), Some(0.5), "nobody knows how many there are");
        for bad in ["", "x", "-1 2 3", "NaN 1 1", "inf 1 1"] {
            assert_eq!(load(bad, 2), None, "{bad}");
        }
    }

    #[test]
    fn the_runner_is_a_class_that_stays_the_same_from_job_to_job() {
        let plain = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        for (set, expected) in [
            (vec![], plain.as_str()),
            (vec![("ImageOS", "ubuntu24"), ("RUNNER_ARCH", "X64"), ("RUNNER_NAME", "Hosted 17")], "ubuntu24-X64"),
            (vec![("RUNNER_NAME", "big-box"), ("RUNNER_OS", "Linux")], "big-box"),
            (vec![("CI_RUNNER_DESCRIPTION", "saas-linux-small"), ("ImageOS", " ")], "saas-linux-small"),
            (vec![("RUNNER_OS", "Linux")], "Linux"),
        ] {
            let get = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(runner(get), expected);
        }
        assert_eq!(runner(|_| Some("é".repeat(200))).chars().count(), LONGEST);
    }
}

//! What a set of processes takes: CPU, memory, open files.

use std::{collections::BTreeSet, io, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a set of processes took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Processes that were there.
    pub processes: u32,
    /// Their threads.
    pub threads: u32,
    /// CPU time in seconds, user and system, of the processes and of the children they waited for.
    pub cpu_seconds: f64,
    /// CPU in percent of one core over [`Self::interval_seconds`].
    pub cpu_percent: f64,
    /// The time that [`Self::cpu_percent`] is about; without an earlier sample, since the start of the oldest process.
    pub interval_seconds: f64,
    /// Memory in bytes: PSS, so that shared pages count once over all who share them.
    pub memory_bytes: u64,
    /// Whether PSS could be read of every process; where not, its RSS went into `memory_bytes`.
    pub memory_exact: bool,
    /// Open file descriptors; `None` when those of a process could not be read.
    pub open_files: Option<u64>,
}

/// The state of a set of processes at one instant.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Since boot, suspend included: the clock that the kernel's start times are counted in.
    at: Duration,
    oldest: Option<Duration>,
    usage: Usage,
}

/// Reads the state of `pids`. Those that ended are left out.
///
/// # Errors
/// When `/proc` is not there.
pub fn sample(pids: impl IntoIterator<Item = u32>) -> io::Result<Sample> {
    let mut sample = Sample {
        at: since_boot(),
        oldest: None,
        usage: Usage { memory_exact: true, open_files: Some(0), ..Usage::default() },
    };
    let per_second = rustix::param::clock_ticks_per_second();
    for pid in pids.into_iter().collect::<BTreeSet<_>>() {
        let Some(stat) = read_live(&format!("/proc/{pid}/stat"))?.and_then(|text| Stat::parse(&text)) else { continue };
        let usage = &mut sample.usage;
        #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
        let cpu = stat.ticks as f64 / per_second as f64;
        usage.cpu_seconds += cpu;
        if stat.zombie {
            // It has ended; its parent has not looked yet, and has not been given its time.
            continue;
        }
        usage.processes += 1;
        usage.threads += stat.threads;
        let born = Duration::from_millis(stat.start * 1000 / per_second);
        sample.oldest = Some(sample.oldest.map_or(born, |oldest| oldest.min(born)));
        if let Some(bytes) = pss(pid) {
            usage.memory_bytes += bytes;
        } else {
            usage.memory_exact = false;
            usage.memory_bytes += stat.rss_pages * rustix::param::page_size() as u64;
        }
        usage.open_files = match (usage.open_files, std::fs::read_dir(format!("/proc/{pid}/fd"))) {
            (Some(count), Ok(entries)) => Some(count + entries.count() as u64),
            _ => None,
        };
    }
    Ok(sample)
}

impl Sample {
    /// The usage, with CPU in percent since `earlier` of the same set, or else since the oldest process's start.
    #[must_use]
    pub fn usage(&self, earlier: Option<&Self>) -> Usage {
        let mut usage = self.usage.clone();
        let (from, cpu) = match earlier {
            Some(earlier) => (earlier.at, usage.cpu_seconds - earlier.usage.cpu_seconds),
            None => (self.oldest.unwrap_or(self.at), usage.cpu_seconds),
        };
        let interval = self.at.saturating_sub(from).as_secs_f64();
        usage.interval_seconds = interval;
        // The time of a process that ended and was waited for by a stranger is gone from the later sample.
        usage.cpu_percent = if interval > 0.0 { (cpu / interval * 100.0).max(0.0) } else { 0.0 };
        usage
    }
}

/// Usage of `pids` with CPU over `interval`, which this waits.
///
/// # Errors
/// When `/proc` is not there.
pub async fn over(pids: &BTreeSet<u32>, interval: Duration) -> io::Result<Usage> {
    let earlier = sample(pids.iter().copied())?;
    tokio::time::sleep(interval).await;
    Ok(sample(pids.iter().copied())?.usage(Some(&earlier)))
}

fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
}

/// The text of a file of a process; `None` when the process ended.
fn read_live(path: &str) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Bytes of the process's memory, its share of shared pages included; `None` when the kernel does not say.
fn pss(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    parse_pss(&text)
}

fn parse_pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The fields of `/proc/<pid>/stat` that are used here (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    zombie: bool,
    /// utime + stime + cutime + cstime.
    ticks: u64,
    threads: u32,
    /// Ticks since boot.
    start: u64,
    rss_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name stands in parentheses and may hold anything, `)` too.
        let rest = text.get(text.rfind(')')? + 1..)?;
        // Field 3 (state) comes first.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            zombie: fields.first() == Some(&"Z"),
            ticks: (14..=17).map(field).sum::<Option<u64>>()?,
            threads: field(20)?.try_into().ok()?,
            start: field(22)?,
            rss_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_field() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 777 1000 99 18446744073709551615";
        assert_eq!(Stat::parse(text), Some(Stat { zombie: false, ticks: 100, threads: 5, start: 777, rss_pages: 99 }));
    }

    #[test]
    fn pss_is_read_in_bytes() {
        let text = "55d0-7fff ---p 00000000 00:00 0    [rollup]\nRss:  2000 kB\nPss:                1234 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(parse_pss(text), Some(1234 * 1024));
    }

    #[test]
    fn percent_is_of_one_core_over_the_interval() {
        let at = |seconds, cpu| Sample {
            at: Duration::from_secs(seconds),
            oldest: Some(Duration::from_secs(0)),
            usage: Usage { cpu_seconds: cpu, ..Usage::default() },
        };
        let usage = at(12, 8.0).usage(Some(&at(10, 5.0)));
        assert!((usage.cpu_percent - 150.0).abs() < 1e-9 && (usage.interval_seconds - 2.0).abs() < 1e-9);
        let usage = at(10, 5.0).usage(None);
        assert!((usage.cpu_percent - 50.0).abs() < 1e-9 && (usage.interval_seconds - 10.0).abs() < 1e-9);
        assert!(at(11, 1.0).usage(Some(&at(10, 5.0))).cpu_percent.abs() < 1e-9, "never negative");
    }
}

//! What this machine has for us now: CPUs and memory, as far as our cgroups let us have them.

use std::io;

use camino::Utf8Path;

use super::cgroup;

/// The CPUs that we may use: those of our affinity, and of a cgroup's quota.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Memory in bytes that can be taken now without swapping: what the kernel says is available, and what is left of the
/// limits of the cgroups that we are in.
///
/// # Errors
/// When the kernel does not tell.
pub fn memory() -> io::Result<u64> {
    let available = mem_available(&std::fs::read_to_string("/proc/meminfo")?)
        .ok_or_else(|| io::Error::other("/proc/meminfo has no MemAvailable"))?;
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let limited = cgroup::directories(&own, &mounts, "memory").into_iter().filter_map(|(root, own)| left(&root, &own));
    Ok(limited.fold(available, u64::min))
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What the narrowest limit from `own` up to `root` leaves; `None` without a limit.
fn left(root: &Utf8Path, own: &Utf8Path) -> Option<u64> {
    own.ancestors().take_while(|directory| directory.starts_with(root)).filter_map(left_in).min()
}

/// What the limit of one cgroup leaves, in either version of the hierarchy. Files that can be dropped are counted as
/// free, as `MemAvailable` does. A file that is not there, or says `max`, limits nothing.
fn left_in(directory: &Utf8Path) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used, key) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current")?, "inactive_file"),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?, "total_inactive_file"),
    };
    let stat = std::fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    let droppable = stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(droppable)))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn this_machine_has_something() {
        assert!(cpus() >= 1);
        assert!(memory().expect("the kernel tells") > 0);
        assert_eq!(mem_available("MemTotal:  8 kB\nMemAvailable:      20 kB\n"), Some(20 * 1024));
        assert_eq!(mem_available("MemTotal: 8 kB\n"), None);
    }

    #[test]
    fn the_narrowest_limit_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().to_path_buf()).expect("UTF-8");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs_err::write(path, text).expect("a file");
        };
        write("memory.max", "max\n");
        assert_eq!(left(&root, &root.join("a/b")), None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write("a/memory.stat", "anon 5\ninactive_file 100\n");
        write("a/b/memory.max", "5000\n");
        write("a/b/memory.current", "100\n");
        assert_eq!(left(&root, &root.join("a/b")), Some(400));
        // Version 1; more used than allowed.
        write("v1/memory.limit_in_bytes", "1000\n");
        write("v1/memory.usage_in_bytes", "1500\n");
        write("v1/memory.stat", "inactive_file 900\ntotal_inactive_file 200\n");
        assert_eq!(left(&root, &root.join("v1")), Some(0));
    }
}

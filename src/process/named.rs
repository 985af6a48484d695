//! Processes by their name and what they were told.

/// Whether a process called `name` runs that was told of one of `paths`, or of something below it, in its command line
/// or its environment. Those of other users, into which the kernel lets nobody look, do not count.
///
/// # Errors
/// When the processes cannot be listed.
pub fn is_about(name: &str, paths: &[&str]) -> std::io::Result<bool> {
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.path();
        let read = |file| std::fs::read(process.join(file)).unwrap_or_default();
        let told = |file| {
            let text = read(file);
            paths.iter().any(|path| names(&text, path))
        };
        if read("comm").trim_ascii_end() == name.as_bytes() && (told("cmdline") || told("environ")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `path` stands in `text`, and not as the beginning of a longer name.
fn names(text: &[u8], path: &str) -> bool {
    memchr::memmem::find_iter(text, path).any(|at| {
        let next = text.get(at + path.len());
        next.is_none_or(|byte| matches!(byte, 0 | b'/' | b':' | b'\n'))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_a_process_was_told_is_looked_at() {
        let own = |file: &str| fs_err::read(format!("/proc/self/{file}")).expect("a file of this process");
        let name = String::from_utf8(own("comm")).expect("UTF-8");
        let told = [own("cmdline"), own("environ")].map(|text| String::from_utf8_lossy(&text).into_owned());
        for first in told.iter().filter_map(|text| text.split('\0').next()) {
            assert!(is_about(name.trim_end(), &["/never said", first]).expect("/proc"));
            assert!(!is_about("nobody is so called", &[first]).expect("/proc"));
        }
        assert!(!is_about(name.trim_end(), &["/never said"]).expect("/proc"));
    }

    #[rstest]
    #[case("git\0-C\0/w/agent-3\0status", true)]
    #[case("GIT_DIR=/w/agent-3/x", true)]
    #[case("PWD=/w/agent-3", true)]
    #[case("git\0-C\0/w/agent-30\0status", false)]
    fn a_path_is_a_whole_one(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(names(text.as_bytes(), "/w/agent-3"), expected);
    }
}

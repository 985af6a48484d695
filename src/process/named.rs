//! Processes by their name and what they were told.

/// Whether a process called `name` runs that has one of `texts` in its command line or its environment. Those of other
/// users, into which the kernel lets nobody look, do not count.
#[must_use]
pub fn is_about(name: &str, texts: &[&[u8]]) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    let holds = |bytes: &[u8]| texts.iter().any(|text| memchr::memmem::find(bytes, text).is_some());
    entries.filter_map(Result::ok).map(|entry| entry.path()).any(|process| {
        let is_called_so =
            std::fs::read(process.join("comm")).is_ok_and(|comm| comm.trim_ascii_end() == name.as_bytes());
        let told = |file| std::fs::read(process.join(file)).is_ok_and(|bytes| holds(&bytes));
        is_called_so && (told("cmdline") || told("environ"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_and_environment_are_looked_at() {
        let own = |file: &str| fs_err::read(format!("/proc/self/{file}")).expect("a file of this process");
        let name = String::from_utf8(own("comm")).expect("UTF-8");
        let (command, environment) = (own("cmdline"), own("environ"));
        for told in [&command, &environment] {
            assert!(is_about(name.trim_end(), &[b"never said", told]));
            assert!(!is_about("nobody is so called", &[told]));
        }
        assert!(!is_about(name.trim_end(), &[b"never said"]));
    }
}

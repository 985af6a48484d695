//! Gives back memory that a long-lived process needed only to start.
//!
//! A program of ours that waits most of its life has mapped most of its code by the time it waits: the kernel maps 64 KiB
//! around every page that is touched, and starting touches a lot. What is mapped and clean can be dropped at any time;
//! what is used again comes back from the page cache.

use std::io;

/// Drops the clean pages of program and libraries, and returns freed heap to the kernel. Takes about a millisecond;
/// the next work takes a fraction of one longer.
///
/// # Errors
/// When the kernel does not tell what is mapped.
pub fn trim() -> io::Result<()> {
    trim_heap();
    let maps = std::fs::read_to_string("/proc/self/smaps")?;
    for range in clean_ranges(&maps) {
        drop_pages(range)?;
    }
    Ok(())
}

/// The read-only mappings of files of which no page was written: code and constants. Where relocation has written into
/// a mapping before it was made read-only, dropping a page would lose that.
fn clean_ranges(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in maps.lines() {
        if let Some((range, kept_in_file)) = header(line) {
            candidate = Some(range).filter(|_| kept_in_file);
        } else if line.strip_prefix("Anonymous:").is_some_and(|rest| rest.trim() == "0 kB") {
            found.extend(candidate.take());
        }
    }
    found
}

/// The range of the mapping that begins with this line, and whether it is a read-only one of a file; `None` when the
/// line begins none.
fn header(line: &str) -> Option<((usize, usize), bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let read_only = matches!(fields.next()?, "r--p" | "r-xp");
    let file = fields.nth(2)? != "0";
    Some((range, read_only && file))
}

#[expect(unsafe_code, reason = "madvise has no safe form")]
fn drop_pages((start, end): (usize, usize)) -> io::Result<()> {
    let address = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is a private read-only mapping of a file none of whose pages differs from the file, so that
    // what is read there afterwards is what was there before.
    match unsafe { libc::madvise(address, end - start, libc::MADV_DONTNEED) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "malloc_trim has no safe form")]
fn trim_heap() {
    // SAFETY: it takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(target_env = "gnu"))]
const fn trim_heap() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_read_only_mappings_of_files_are_dropped() {
        let maps = "\
1000-2000 r--p 00000000 fe:00 42 /bin/x y
Size: 4 kB
Anonymous:             0 kB
2000-3000 r-xp 00001000 fe:00 42 /bin/x y
Anonymous:             0 kB
3000-4000 r--p 00002000 fe:00 42 /bin/x y
Anonymous:             4 kB
4000-5000 rw-p 00003000 fe:00 42 /bin/x y
Anonymous:             0 kB
5000-6000 r--p 00000000 00:00 0 [vvar]
Anonymous:             0 kB
6000-7000 rw-p 00000000 00:00 0
Anonymous:             0 kB
";
        assert_eq!(clean_ranges(maps), [(0x1000, 0x2000), (0x2000, 0x3000)]);
    }

    #[test]
    fn the_program_goes_on() {
        trim().expect("/proc is there");
        assert_eq!(format!("{:.1}", 1.25_f64.sqrt()), "1.1");
    }
}

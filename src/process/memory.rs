//! Gives back memory that a long-lived process needed only to start.
//!
//! A program of ours that waits most of its life has mapped most of its code by the time it waits: the kernel maps 64 KiB
//! around every page that is touched, and starting touches a lot. What is mapped and clean can be dropped at any time;
//! what is used again comes back from the page cache.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

/// Rest after which a process is taken to wait.
pub const REST: Duration = Duration::from_secs(2);

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

/// An event loop that wakes no more often during a rest has rested; the timer of the rest itself wakes it up to three
/// times, once for each wheel of tokio's that it passes.
const FEW_WAKES: u64 = 8;

/// The event loop of `builder` for a service: it gives back memory whenever it had nothing to do for [`REST`].
///
/// # Errors
/// When the kernel gives no event loop.
pub fn trimmed(builder: &mut Builder) -> io::Result<Runtime> {
    // Without it everything goes on as well.
    at_rest(builder, REST, || drop(trim()))
}

/// Does `act` whenever the event loop had nothing to do for `rest`, once for each time that it had.
fn at_rest(builder: &mut Builder, rest: Duration, act: impl Fn() + Send + 'static) -> io::Result<Runtime> {
    let (woken, wakes) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
    let wakened = (Arc::clone(&woken), Arc::clone(&wakes));
    builder.on_thread_unpark(move || {
        wakened.1.fetch_add(1, Ordering::Relaxed);
        wakened.0.notify_one();
    });
    let runtime = builder.build()?;
    runtime.spawn(async move {
        loop {
            let before = wakes.load(Ordering::Relaxed);
            tokio::time::sleep(rest).await;
            if wakes.load(Ordering::Relaxed) > before + FEW_WAKES {
                continue;
            }
            act();
            // A note of what woke it before must not wake it now.
            let noted = woken.notified();
            tokio::pin!(noted);
            if noted.as_mut().enable() {
                woken.notified().await;
            } else {
                noted.await;
            }
        }
    });
    Ok(runtime)
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
    fn a_loop_gives_back_once_after_each_time_that_it_worked() {
        let rest = Duration::from_millis(5);
        let (acted, acts) = std::sync::mpsc::channel();
        let act = move || acted.send(()).expect("the test listens");
        let service = at_rest(Builder::new_current_thread().enable_all(), rest, act).expect("a loop");
        let work = service.handle().clone();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || drop(service.block_on(ended)));
        let limit = Duration::from_secs(30);
        for _ in 0..2 {
            acts.recv_timeout(limit).expect("it rests");
            acts.recv_timeout(20 * rest).expect_err("it has rested already");
            work.spawn(async {});
        }
        end.send(()).expect("it runs");
        thread.join().expect("no panic");
    }

    #[test]
    fn the_program_goes_on() {
        trim().expect("/proc is there");
        assert_eq!(format!("{:.1}", 1.25_f64.sqrt()), "1.1");
    }
}

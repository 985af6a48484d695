//! A cgroup of a stack's own, nested under the one we run in: finds and ends members whatever they did to group,
//! session and environment. Only where the kernel lets us make one; nothing depends on it.

use std::{io, os::unix::fs::MetadataExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// Beginning of the name of every cgroup of a stack. One that is nested in another stack's, because somebody launched it
/// from there, is no part of that.
const PREFIX: &str = "agent-harness-";

/// A cgroup that was made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    path: Utf8PathBuf,
}

/// A hierarchy that a process is in.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// Where it is mounted.
    at: Utf8PathBuf,
    /// Which of its cgroups is mounted there.
    root: Utf8PathBuf,
}

impl Cgroup {
    /// Makes the cgroup `name` under our own, in the v2 hierarchy or else in v1's freezer. One that is there already
    /// is used.
    ///
    /// # Errors
    /// With the reason in one line when there can be none: no hierarchy, or no right to (an ordinary user without
    /// delegation).
    pub fn create(name: &str) -> Result<Self, String> {
        let own = fs_err::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let mounts = fs_err::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let mut reason = "no cgroup hierarchy is mounted".to_owned();
        for parent in parents(&own, &mounts) {
            let path = parent.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && may_use(&path) => {
                    return Ok(Self { path });
                }
                Err(error) => reason = format!("cannot make {path}: {error}"),
            }
        }
        Err(reason)
    }

    /// The cgroup of the stack with this mark.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn of_stack(mark: &str) -> Result<Self, String> {
        use sha2::Digest as _;
        Self::create(&format!("{PREFIX}{}", hex::encode(&sha2::Sha256::digest(mark)[..8])))
    }

    /// The cgroup `name` in this one, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn below(&self, name: &str) -> io::Result<Self> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(Self { path }),
        }
    }

    /// The cgroup at `path`, as an earlier [`Self::path`] told; `None` when it is gone.
    #[must_use]
    pub fn open(path: Utf8PathBuf) -> Option<Self> {
        path.join("cgroup.procs").exists().then_some(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The file that takes the pid of a process which shall be a member; `0` is the writer itself, so a child can
    /// enter by itself before it executes.
    #[must_use]
    pub fn entrance(&self) -> Utf8PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Makes `pid` a member; its later children will be too.
    ///
    /// # Errors
    /// When the process ended or the kernel refuses.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        write(&self.entrance(), &pid.to_string())
    }

    /// The members, those of cgroups that they made below included.
    ///
    /// # Errors
    /// When the cgroup cannot be read; one that is gone has none.
    pub fn members(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for path in self.tree()? {
            match std::fs::read_to_string(path.join("cgroup.procs")) {
                Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Ends all members with SIGKILL. Nobody can fork away meanwhile: the kernel does it at once, or they are frozen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> io::Result<()> {
        let at_once = self.path.join("cgroup.kill");
        if at_once.exists() {
            return write(&at_once, "1");
        }
        let (file, freeze, thaw) = if self.path.join("cgroup.freeze").exists() {
            (self.path.join("cgroup.freeze"), "1", "0")
        } else {
            (self.path.join("freezer.state"), "FROZEN", "THAWED")
        };
        write(&file, freeze)?;
        let killed = self.members().and_then(|pids| pids.into_iter().try_for_each(kill));
        write(&file, thaw)?;
        killed
    }

    /// Removes it, with the cgroups below. It must have no members any more.
    ///
    /// # Errors
    /// When it still has members.
    pub fn remove(&self) -> io::Result<()> {
        for path in self.tree()?.iter().rev() {
            match std::fs::remove_dir(path) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The cgroup and those below, each before its own.
    fn tree(&self) -> io::Result<Vec<Utf8PathBuf>> {
        let mut tree = vec![self.path.clone()];
        let mut next = 0;
        while let Some(path) = tree.get(next).cloned() {
            next += 1;
            let entries = match path.read_dir_utf8() {
                Ok(entries) => entries,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() && !entry.file_name().starts_with(PREFIX) {
                    tree.push(entry.into_path());
                }
            }
        }
        Ok(tree)
    }
}

/// Whether the cgroup at `path` is ours to use: its owner is we.
fn may_use(path: &Utf8Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

/// Control files are written in place, in one write.
fn write(path: &Utf8Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    std::fs::File::options().write(true).open(path)?.write_all(text.as_bytes())
}

fn kill(pid: u32) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The directories of our own cgroups that a new one may be nested under, the best first.
fn parents(own: &str, mounts: &str) -> Vec<Utf8PathBuf> {
    directories(own, mounts, "freezer").into_iter().map(|(_, own)| own).collect()
}

/// Our own cgroup in the v2 hierarchy and in v1's of `controller`, each after the directory where its hierarchy is
/// mounted. `own` is `/proc/self/cgroup`, `mounts` is `/proc/self/mountinfo`.
pub(super) fn directories(own: &str, mounts: &str, controller: &str) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
    let place = |controller: &str| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            controllers.split(',').any(|name| name == controller).then(|| Utf8PathBuf::from(path))
        })
    };
    let v2 = place("").zip(mount(mounts, |kind, _| kind == "cgroup2"));
    let v1 = place(controller)
        .zip(mount(mounts, |kind, options| kind == "cgroup" && options.split(',').any(|name| name == controller)));
    let directory = |(path, mount): (Utf8PathBuf, Mount)| {
        let own = mount.at.join(path.strip_prefix(&mount.root).ok()?);
        Some((mount.at, own))
    };
    v2.into_iter().chain(v1).filter_map(directory).collect()
}

/// The first mount whose file system type and options (`/proc/self/mountinfo`, `proc_pid_mountinfo(5)`) are wanted.
fn mount(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<Mount> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let mut left = left.split(' ').skip(3);
        let mount = Mount { root: left.next()?.into(), at: left.next()?.into() };
        wanted(kind, options).then_some(mount)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0::/user.slice/a.scope\n", "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        &["/sys/fs/cgroup/user.slice/a.scope"])]
    #[case("6:freezer:/x\n1:cpu,cpuacct:/\n0::/\n",
        "1 2 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n2 2 0:2 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n3 2 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        &["/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer/x"])]
    #[case("0::/docker/abc/in\n", "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        &["/sys/fs/cgroup/in"])]
    #[case("0::/\n", "1 2 0:1 / /proc rw - proc proc rw\n", &[])]
    fn a_cgroup_is_nested_under_our_own(#[case] own: &str, #[case] mounts: &str, #[case] expected: &[&str]) {
        assert_eq!(parents(own, mounts), expected);
    }
}

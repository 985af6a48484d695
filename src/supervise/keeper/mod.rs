//! The parent and subreaper of a stack's processes: forks, waits, keeps exit statuses.
//!
//! It decides nothing, so that there is nothing in it that fails: one thread, one loop around `poll`. It outlives its
//! supervisor, listens for the next one, and starts one when its own went away without a word, so that a stack whose
//! supervisor was killed is watched over again without anybody's doing.

mod inbox;
pub(crate) mod link;
pub(crate) mod protocol;

use std::{
    io::Write as _,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags, Timespec};

use self::{
    inbox::Inbox,
    protocol::{Child, KEEPER_PROTOCOL, Order, Told},
};
use super::SuperviseError;
use crate::{
    config::{env_names, paths::StackDir},
    model::status::Exit,
    process::{
        ProcessError,
        identity::Identity,
        memory,
        reap::{ChildEnds, become_subreaper},
        spawn::{self, Launch},
    },
    wire::socket,
};

/// Pause before a supervisor that went away is replaced; doubled while its replacements do not come, up to
/// [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A supervisor that takes no message for this long is cut off; it may connect again.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// The keeper of one stack.
struct Keeper {
    directory: StackDir,
    program: Utf8PathBuf,
    children: Vec<Child>,
    supervisor: Option<(UnixStream, Inbox)>,
    /// When to start a supervisor, and the pause before the next attempt.
    revive: Option<(Instant, Duration)>,
    /// When to give back the memory that the last work took.
    trim: Option<Instant>,
}

/// Keeps the processes of the stack in `directory` until told to end. `first` is the connection of the supervisor that
/// started it.
///
/// # Errors
/// When the kernel gives what it needs no more. Its children live on and are adopted.
pub(crate) fn run(directory: &StackDir, first: OwnedFd) -> Result<(), SuperviseError> {
    become_subreaper()?;
    let ends = ChildEnds::listen()?;
    let path = directory.keeper_socket();
    let listener = socket::listen(&path).map_err(|source| SuperviseError::Socket { path, source })?;
    let mut keeper = Keeper {
        directory: directory.clone(),
        program: spawn::own_program(),
        children: Vec::new(),
        supervisor: None,
        revive: None,
        trim: None,
    };
    keeper.greet(UnixStream::from(first));
    keeper.serve(&ends, &listener)
}

impl Keeper {
    fn serve(&mut self, ends: &ChildEnds, listener: &UnixListener) -> Result<(), SuperviseError> {
        loop {
            let (ended, connecting, speaking) = self.wait(ends, listener)?;
            if ended || connecting || speaking {
                self.trim = Some(Instant::now() + memory::REST);
            } else if self.trim.is_some_and(|at| at <= Instant::now()) {
                // Without it everything goes on as well.
                drop(memory::trim());
                self.trim = None;
            }
            if ended {
                for (pid, exit) in ends.take()? {
                    self.reaped(pid, exit);
                }
            }
            if connecting {
                match listener.accept() {
                    Ok((stream, _)) => self.greet(stream),
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                    Err(source) => {
                        return Err(SuperviseError::Socket { path: self.directory.keeper_socket(), source });
                    }
                }
                continue;
            }
            if speaking && !self.obey() {
                return Ok(());
            }
            self.revive_if_due();
        }
    }

    /// Waits until something happens: a child ended, somebody connects, the supervisor speaks (or went away).
    fn wait(&self, ends: &ChildEnds, listener: &UnixListener) -> Result<(bool, bool, bool), SuperviseError> {
        let mut fds = vec![
            PollFd::from_borrowed_fd(ends.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
        ];
        if let Some((stream, _)) = &self.supervisor {
            fds.push(PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN));
        }
        let next = self.revive.map(|(at, _)| at).into_iter().chain(self.trim).min();
        let rest = next.map(|at| at.saturating_duration_since(Instant::now()));
        let rest = rest.map(|rest| Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: rest.subsec_nanos().into(),
        });
        match rustix::event::poll(&mut fds, rest.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(ProcessError::Kernel { what: "poll", source: errno.into() }.into()),
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok((ready(0), ready(1), ready(2)))
    }

    /// A new supervisor holds the stack's lock, so an earlier one is dead, whether its end was seen here or not.
    fn greet(&mut self, stream: UnixStream) {
        let prepared = stream.set_nonblocking(false).and_then(|()| stream.set_write_timeout(Some(WRITE_LIMIT)));
        if prepared.is_err() {
            return;
        }
        self.supervisor = Some((stream, Inbox::default()));
        self.revive = None;
        self.tell(&Told::Hello { protocol: KEEPER_PROTOCOL, pid: std::process::id(), children: self.children.clone() });
    }

    fn tell(&mut self, told: &Told) {
        let Some((stream, _)) = &mut self.supervisor else { return };
        let mut line = serde_json::to_vec(told).unwrap_or_default();
        line.push(b'\n');
        if stream.write_all(&line).is_err() {
            self.cut_off();
        }
    }

    fn cut_off(&mut self) {
        self.supervisor = None;
        self.revive = Some((Instant::now() + FIRST_PAUSE, FIRST_PAUSE));
    }

    fn reaped(&mut self, pid: u32, exit: Exit) {
        // Any other child is an orphan that it inherited, or a supervisor that it started.
        let Some(child) = self.children.iter_mut().find(|child| child.identity.pid == pid && child.exit.is_none())
        else {
            return;
        };
        child.exit = Some(exit);
        let told = Told::Exited { name: child.name.clone(), life: child.life, exit };
        self.tell(&told);
    }

    /// Does what the supervisor orders; `false` when that is to end.
    fn obey(&mut self) -> bool {
        let Some((stream, inbox)) = &mut self.supervisor else { return true };
        let (orders, open) = inbox.read(stream);
        for order in orders {
            match order {
                Order::Spawn { name, life, launch } => self.spawn(name, life, &launch),
                Order::Forget { name, life } => {
                    self.children.retain(|child| child.exit.is_none() || child.name != name || child.life != life);
                }
                Order::Leave => {
                    self.supervisor = None;
                    self.revive = None;
                    return true;
                }
                Order::End => return false,
            }
        }
        if !open {
            self.cut_off();
        }
        true
    }

    fn spawn(&mut self, name: String, life: u64, launch: &Launch) {
        let started = launch.spawn(None).map_err(|error| crate::error::Error::from(error).chain());
        let result = started.and_then(|child| {
            // Not reaped yet, so its entry is there even if it has ended already.
            Identity::of_child(child.id()).map_err(|error| crate::error::Error::from(error).chain())
        });
        if let Ok(identity) = &result {
            self.children.retain(|child| child.exit.is_none() || child.name != name);
            self.children.push(Child { name: name.clone(), life, identity: identity.clone(), exit: None });
        }
        self.tell(&Told::Spawned { name, life, result });
    }

    fn revive_if_due(&mut self) {
        let Some((at, pause)) = self.revive else { return };
        if Instant::now() < at {
            return;
        }
        let pause = (pause * 2).min(LONGEST_PAUSE);
        self.revive = Some((Instant::now() + pause, pause));
        // That it cannot be started now changes nothing: it is tried again.
        drop(supervisor(&self.directory, &self.program).spawn(None));
    }
}

/// How a supervisor is started, by whomever.
fn supervisor(directory: &StackDir, program: &Utf8PathBuf) -> Launch {
    Launch {
        argv: vec![program.to_string(), "supervise".to_owned(), directory.path().to_string()],
        cwd: "/".into(),
        env: vec![(env_names::SUPERVISOR.to_owned(), directory.mark().to_owned())],
        run_as: None,
        cgroup: None,
        output: directory.supervisor_log(),
    }
}

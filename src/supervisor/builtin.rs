//! Starts, finds and stops our own supervisors.
//!
//! A supervisor runs exactly when its control socket answers. What a stack is to run stands in its `spec.json`: as long
//! as that file is there the stack is meant to run, and whoever finds no supervisor then may start one, which adopts
//! the processes that still live ([`Builtin::resume`]). One that is bound to a boot is not meant to run in another.

use std::{
    process::Child,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use super::SupervisorError;
use crate::{
    config::{
        env_names,
        paths::{Paths, StackDir},
    },
    exit_code::ExitCode,
    model::{
        order,
        stack::{StackName, StackSpec},
        status::StackStatus,
    },
    process::{
        capture,
        cgroup::Cgroup,
        group,
        identity::{self, Handle},
        spawn::{self, Launch},
    },
    store::atomic::{self, Access},
    wire::{WireError, client::Client, protocol::PROTOCOL},
};

/// Longest time from starting a supervisor to its hello; it takes some 10 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Longest time that a supervisor which stopped its stack is waited for.
const GOING_LIMIT: Duration = Duration::from_secs(2);
/// How often a starting supervisor is looked for.
const START_POLL: Duration = Duration::from_millis(2);

/// Our own supervisors of one user.
#[derive(Clone, Debug)]
pub struct Builtin {
    paths: Paths,
    program: Utf8PathBuf,
}

impl Builtin {
    /// Supervisors that execute this very program.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self::with_program(paths, spawn::own_program())
    }

    /// What `stack` is to run, as it was last told.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn specification(&self, stack: StackName) -> Result<StackSpec, SupervisorError> {
        let path = self.paths.stack(stack).spec();
        let read = std::fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.map_err(|source| SupervisorError::Directory { stack, path, source })
    }

    /// Supervisors that execute `program`, which is an `agent-harness`.
    #[must_use]
    pub fn with_program(paths: &Paths, program: Utf8PathBuf) -> Self {
        Self { paths: paths.clone(), program }
    }

    /// The supervisor of `stack`, if it runs. One of an older protocol is made to execute this program in its place,
    /// while its processes run on.
    ///
    /// # Errors
    /// When it cannot be reached for another reason than that it does not run, or is of a newer protocol.
    pub async fn connect(&self, stack: StackName) -> Result<Option<Client>, SupervisorError> {
        let socket = self.paths.stack(stack).socket();
        let Some(client) = Client::connect(&socket).await? else { return Ok(None) };
        if client.hello().protocol >= PROTOCOL {
            client.check_version()?;
            return Ok(Some(client));
        }
        client.reexec(&self.program).await?;
        let client = Client::connect(&socket).await?;
        client.as_ref().map(Client::check_version).transpose()?;
        Ok(client)
    }

    /// The supervisor of `stack`; started again when it should run but died, adopting what lives. `None` when the
    /// stack is not meant to run.
    ///
    /// # Errors
    /// As [`Self::connect`] and when it cannot be started.
    pub async fn resume(&self, stack: StackName) -> Result<Option<Client>, SupervisorError> {
        if let Some(client) = self.connect(stack).await? {
            return Ok(Some(client));
        }
        if !self.is_meant_to_run(stack)? {
            return Ok(None);
        }
        self.start(stack).await.map(Some)
    }

    /// How the processes of `stack` are; `None` when it is not meant to run. Right also when its supervisor is killed, or
    /// comes to its end, in this moment.
    ///
    /// # Errors
    /// As [`Self::resume`] and [`Client::status`].
    pub async fn status(&self, stack: StackName) -> Result<Option<StackStatus>, SupervisorError> {
        let Some(mut client) = self.resume(stack).await? else { return Ok(None) };
        match client.status().await {
            Err(WireError::Gone { .. }) => {}
            answer => return Ok(Some(answer?)),
        }
        let Some(mut client) = self.resume(stack).await? else { return Ok(None) };
        Ok(Some(client.status().await?))
    }

    /// Whether there is a specification that holds in this boot of the machine.
    fn is_meant_to_run(&self, stack: StackName) -> Result<bool, SupervisorError> {
        if !self.paths.stack(stack).spec().exists() {
            return Ok(false);
        }
        let Some(boot) = self.specification(stack)?.boot else { return Ok(true) };
        let now = identity::boot_id().map_err(|source| SupervisorError::Boot { stack, source })?;
        Ok(boot == now)
    }

    /// Has `spec` run: writes it, starts the supervisor if there is none, else lets it take over what changed. A
    /// supervisor that runs the same already is left alone. Returns as soon as the supervisor serves; wait for the
    /// processes with [`Client::subscribe`] or [`Client::start`].
    ///
    /// # Errors
    /// When `after` is wrong, the specification cannot be written, or the supervisor not be started or reached.
    pub async fn ensure(&self, spec: &StackSpec) -> Result<Client, SupervisorError> {
        let stack = spec.name;
        order::of_stack(spec).map_err(|source| SupervisorError::Order { stack, source })?;
        let directory = self.paths.stack(stack);
        let fail = |path: Utf8PathBuf| move |source| SupervisorError::Directory { stack, path, source };
        make_private(&directory).map_err(fail(directory.path().to_owned()))?;
        let content = serde_json::to_vec(spec).map_err(|error| fail(directory.spec())(std::io::Error::other(error)))?;
        let same = std::fs::read(directory.spec()).is_ok_and(|old| old == content);
        if !same {
            atomic::write(&directory.spec(), &content, Access::Private)
                .map_err(|source| SupervisorError::Spec { stack, source })?;
        }
        match self.connect(stack).await? {
            Some(mut client) => {
                // Also when the file was the same: whoever wrote it may have died before it said so.
                client.apply().await?;
                Ok(client)
            }
            None => self.start(stack).await,
        }
    }

    /// Stops the stack and removes its directory, logs included. Works without a supervisor and without a record: what
    /// carries the stack's mark is found and ended. `Ok` when there was nothing.
    ///
    /// # Errors
    /// When something of it cannot be ended or removed.
    pub async fn remove(&self, stack: StackName) -> Result<(), SupervisorError> {
        let directory = self.paths.stack(stack);
        self.close(stack).await?;
        // Where it may be had, the cgroup finds also what has neither a mark nor a family any more.
        let cgroup = Cgroup::of_stack(directory.mark()).ok();
        let ended = group::end_leftovers(directory.mark(), cgroup.as_ref()).await;
        ended.map_err(|source| SupervisorError::Leftover { stack, source })?;
        if let Some(cgroup) = cgroup {
            // One that is left costs nothing.
            drop(cgroup.remove());
        }
        match std::fs::remove_dir_all(directory.path()) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(SupervisorError::Directory { stack, path: directory.path().to_owned(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Waits for a supervisor that is still stopping `stack`: the command that told it to may have been interrupted.
    ///
    /// # Errors
    /// When it cannot be reached or fails.
    pub async fn finish_stopping(&self, stack: StackName) -> Result<(), SupervisorError> {
        // Stopping begins with the removal of the specification.
        if self.paths.stack(stack).spec().exists() { Ok(()) } else { self.close(stack).await }
    }

    /// Has the supervisor of `stack` stop everything, and waits until it is gone. `Ok` when there is nothing that one
    /// could do.
    async fn close(&self, stack: StackName) -> Result<(), SupervisorError> {
        let directory = self.paths.stack(stack);
        for is_last in [false, true] {
            // The keeper's socket goes with the keeper, at the very end.
            let is_half_stopped = || !directory.spec().exists() && directory.keeper_socket().exists();
            // A supervisor of any version understands `shutdown`.
            let client = match Client::connect(&directory.socket()).await? {
                Some(client) => Some(client),
                // Its record, if it can be used, knows how each process is to be stopped. Without one that starts, what is
                // left is the caller's to end.
                None if is_half_stopped() || self.is_meant_to_run(stack).unwrap_or(true) => {
                    self.start(stack).await.ok()
                }
                None => None,
            };
            let Some(client) = client else { return Ok(()) };
            // Before the order, so that whoever comes after a death of this command knows whether it was given.
            match std::fs::remove_file(directory.spec()) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SupervisorError::Directory { stack, path: directory.spec(), source });
                }
                Ok(()) | Err(_) => {}
            }
            let supervisor = Handle::open(client.hello().pid);
            let answer = client.shutdown().await;
            // It said that all is gone but itself. Without a handle it is gone already.
            if let Ok(supervisor) = supervisor {
                drop(tokio::time::timeout(GOING_LIMIT, supervisor.ended()).await);
            }
            match answer {
                // It was at its end, told by somebody else, or was killed: then another one has to do it.
                Err(WireError::Gone { .. }) if !is_last => {}
                answer => return Ok(answer?),
            }
        }
        Ok(())
    }

    async fn start(&self, stack: StackName) -> Result<Client, SupervisorError> {
        let directory = self.paths.stack(stack);
        let launch = Launch {
            argv: vec![self.program.to_string(), "supervise".to_owned(), directory.path().to_string()],
            cwd: "/".into(),
            // Nothing of the caller's reaches the supervisor, so nothing of it can reach a process.
            env: vec![(env_names::SUPERVISOR.to_owned(), directory.mark().to_owned())],
            run_as: None,
            cgroup: None,
            output: directory.supervisor_log(),
        };
        let spawn = || launch.spawn(None).map_err(|source| SupervisorError::Start { stack, source });
        let mut child = spawn()?;
        let started = Instant::now();
        loop {
            if let Some(client) = self.connect(stack).await? {
                reap_later(child);
                return Ok(client);
            }
            let ended = child.try_wait().ok().flatten();
            // It gives way to another one that has the lock: that one will answer, or is going away.
            let gave_way = ended.is_some_and(|status| status.code() == Some(i32::from(ExitCode::Conflict as u8)));
            if gave_way {
                child = spawn()?;
            }
            if (ended.is_some() && !gave_way) || started.elapsed() > START_LIMIT {
                reap_later(child);
                let log = directory.supervisor_log();
                let tail = capture::tail_of_file(&log, 3).unwrap_or_default();
                return Err(SupervisorError::NotUp { stack, log, tail });
            }
            tokio::time::sleep(START_POLL).await;
        }
    }
}

/// Waits for `child` beside everything else, so that it leaves no zombie to a caller that lives long.
fn reap_later(mut child: Child) {
    tokio::spawn(async move {
        // Without a handle it is already gone, and waiting does not block.
        if let Ok(handle) = Handle::open(child.id()) {
            drop(handle.ended().await);
        }
        drop(child.try_wait());
    });
}

/// Makes the stack's directory, for its owner only: specification, logs and sockets are in it.
fn make_private(directory: &StackDir) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(directory.logs())?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700))
}

//! The control socket as the loop sees it: requests come in, and it may get lost.

use tokio::sync::mpsc;

use super::{SuperviseError, requests::Asked, server, unit::Task};
use crate::{
    config::paths::StackDir,
    model::stack::StackName,
    process::inotify::{Inotify, WatchFlags},
};

/// Requests that wait to be looked at.
const WAITING: usize = 16;

/// What happens at the door.
pub(super) enum Knock {
    /// Somebody asks.
    Asked(Asked),
    /// The socket was removed.
    Lost,
}

/// See the module.
pub(super) struct Door {
    directory: StackDir,
    stack: StackName,
    notices: Inotify,
    asks: mpsc::Sender<Asked>,
    asked: mpsc::Receiver<Asked>,
    server: Option<Task>,
}

impl Door {
    /// Opens the socket.
    ///
    /// # Errors
    /// When it cannot be bound or the directory not be watched.
    pub(super) fn open(directory: &StackDir, stack: StackName) -> Result<Self, SuperviseError> {
        let fail = |source| SuperviseError::File { path: directory.path().to_owned(), source };
        let notices = Inotify::new().map_err(fail)?;
        let flags = WatchFlags::DELETE | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        notices.watch(directory.path().as_std_path(), flags).map_err(fail)?;
        let (asks, asked) = mpsc::channel(WAITING);
        let mut door = Self { directory: directory.clone(), stack, notices, asks, asked, server: None };
        door.reopen()?;
        Ok(door)
    }

    /// Opens the socket again.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub(super) fn reopen(&mut self) -> Result<(), SuperviseError> {
        let listener = server::listen(&self.directory)?;
        let (stack, asks) = (self.stack, self.asks.clone());
        self.server = Some(Task::run(async move { drop(server::serve(listener, stack, asks).await) }));
        Ok(())
    }

    /// The next request, or that the socket is no more where clients look for it. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Knock {
        tokio::select! {
            Some(asked) = self.asked.recv() => Knock::Asked(asked),
            () = lost(&self.notices, &self.directory) => Knock::Lost,
        }
    }
}

async fn lost(notices: &Inotify, directory: &StackDir) {
    let mut events = Vec::new();
    while notices.read(&mut events).await.is_ok() {
        events.clear();
        if !directory.socket().exists() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

//! Notices changes of user files, so that open connections of a removed user end at once.

use std::{fs::File, future::Future, sync::Arc};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use super::{MailError, store::Store};

/// Tells [`super::events::Events::logins`] whenever a user file is written or removed, until dropped.
///
/// # Errors
/// When the kernel gives no watch.
pub(super) fn logins(store: &Arc<Store>) -> Result<impl Future<Output = ()> + use<>, MailError> {
    let directory = store.users.directory().to_owned();
    let fail =
        |errno: rustix::io::Errno| MailError::File { act: "watch", path: directory.clone(), source: errno.into() };
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(fail)?;
    let changes = WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE | WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&watch, directory.as_std_path(), changes).map_err(fail)?;
    // A watch is read like a pipe, and what the events say does not matter: logins are asked again in any case.
    let mut watch = pipe::Receiver::from_file_unchecked(File::from(watch)).map_err(MailError::Runtime)?;
    let store = store.clone();
    Ok(async move {
        let mut events = [0; 4096];
        while watch.read(&mut events).await.is_ok_and(|count| count > 0) {
            store.forget_removed();
            store.events.logins_changed();
        }
        // Without the watch, logins are still checked at every request.
        std::future::pending::<()>().await;
    })
}

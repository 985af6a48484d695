//! Where things lie below the root of the service.

use std::{fs::File, os::unix::fs::DirBuilderExt as _};

use camino::{Utf8Path, Utf8PathBuf};

use crate::infra::embedded::mail::{MailError, UNCLAIMED, UserName};

/// The directory of user files.
#[must_use]
pub fn users(root: &Utf8Path) -> Utf8PathBuf {
    root.join("users")
}

/// The file of one user.
#[must_use]
pub fn user_file(root: &Utf8Path, user: &UserName) -> Utf8PathBuf {
    users(root).join(format!("{user}.json"))
}

/// The directory of boxes.
#[must_use]
pub fn boxes(root: &Utf8Path) -> Utf8PathBuf {
    root.join("boxes")
}

/// The directory of one box.
#[must_use]
pub fn mailbox(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    boxes(root).join(name)
}

/// The directory of sources in a box.
#[must_use]
pub fn mails(mailbox: &Utf8Path) -> Utf8PathBuf {
    mailbox.join("mails")
}

/// The index of a box.
#[must_use]
pub fn index(mailbox: &Utf8Path) -> Utf8PathBuf {
    mailbox.join("index.sqlite")
}

/// Where mails are written before they belong to a box.
pub(in crate::infra::embedded::mail) fn spool(root: &Utf8Path) -> Utf8PathBuf {
    root.join("spool")
}

/// Whether an entry of [`boxes`] is a box; boxes being removed have other names.
pub(in crate::infra::embedded::mail) fn is_box_name(name: &str) -> bool {
    name == UNCLAIMED || UserName::new(name).is_ok()
}

/// Makes a directory of mode 0700, if it is not there. Missing parents get the ordinary mode: other services, which may
/// run as other users, have theirs beside this one.
///
/// # Errors
/// When it cannot be made.
pub fn make_directory(path: &Utf8Path) -> Result<(), MailError> {
    let fail = |source| MailError::File { act: "make", path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}

/// Waits for the lock under which boxes are made and removed; dropped, it is free.
///
/// # Errors
/// When the lock file cannot be opened or locked.
pub fn lock(root: &Utf8Path) -> Result<File, MailError> {
    let path = root.join("lock");
    let fail = |source| MailError::File { act: "lock", path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
    file.lock().map_err(fail)?;
    Ok(file)
}

/// Makes what was renamed or removed in `directory` durable.
///
/// # Errors
/// When it cannot be synced.
pub fn sync_directory(directory: &Utf8Path) -> Result<(), MailError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|source| MailError::File {
        act: "sync",
        path: directory.to_owned(),
        source,
    })
}

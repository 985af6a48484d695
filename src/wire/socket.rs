//! Unix sockets by a path of any length: the address names the directory by its handle.
//!
//! An address holds 107 bytes, a state directory may be deeper; `/proc/self/fd/<directory>/<name>` is short and means
//! the same file.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use camino::Utf8Path;
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// A short name of the socket at a path, valid as long as this lives.
#[derive(Debug)]
pub struct Address {
    directory: OwnedFd,
    name: String,
}

impl Address {
    /// The short name of `path`.
    ///
    /// # Errors
    /// When its directory cannot be opened.
    pub fn of(path: &Utf8Path) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Utf8Path::new("/"));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { directory: rustix::fs::open(directory.as_std_path(), flags, Mode::empty())?, name })
    }

    /// To be used with `bind` and `connect`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{}", self.directory.as_raw_fd(), self.name))
    }
}

/// Connects; `None` when nobody listens there.
///
/// # Errors
/// When it fails for another reason.
pub async fn connect(path: &Utf8Path) -> io::Result<Option<UnixStream>> {
    let address = match Address::of(path) {
        Ok(address) => address,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match UnixStream::connect(address.path()).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Listens, with mode 0600; a socket file that an earlier listener left is replaced. The caller holds the lock that
/// makes it the only one.
///
/// # Errors
/// When it cannot be bound.
pub fn listen(path: &Utf8Path) -> io::Result<std::os::unix::net::UnixListener> {
    let address = Address::of(path)?;
    // Bound under another name and renamed, so that it never exists with another mode or without a listener.
    let new = Address { directory: address.directory.try_clone()?, name: format!("{}.new", address.name) };
    match std::fs::remove_file(new.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(new.path())?;
    std::fs::set_permissions(new.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::rename(new.path(), address.path())?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_longer_than_an_address_works() {
        let directory = tempfile::tempdir().expect("a directory");
        let deep = Utf8Path::from_path(directory.path()).expect("UTF-8").join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).expect("a deep directory");
        let path = deep.join("x.sock");
        assert!(connect(&path).await.expect("no error").is_none(), "nobody is there");
        let listener = listen(&path).expect("a listener");
        assert!(connect(&path).await.expect("no error").is_some());
        drop(listener);
        assert!(connect(&path).await.expect("no error").is_none(), "the file is left, the listener gone");
        drop(listen(&path).expect("the file is replaced"));
    }
}

//! The mailbox of an agent: a login at the mail service and the box that it opens.
//!
//! All of it is files below the root of the service, which looks at them whenever somebody logs in. So nothing here needs
//! the service to run, and what is removed is forgotten by a running one at once.

use camino::Utf8Path;

use crate::{
    config::paths::Paths,
    infra::embedded::mail::{ADMIN, MailError, UserFile, UserName, count, layout},
    model::secret::Secret,
    store::atomic::{self, Access},
};

/// Bytes of randomness in a password.
const PASSWORD: usize = 24;

/// The login of a mailbox, for SMTP, API and page alike.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user, also the name of the box.
    pub user: String,
    /// The password: letters and digits only, so it needs no quoting in a URL.
    pub password: Secret,
}

/// What is known of a mailbox without its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Mails in it.
    pub mails: usize,
}

/// The login of the mailbox `name` (an agent's [`crate::model::id::AgentId::name`]); made if there is none yet.
///
/// # Errors
/// When `name` cannot be a mailbox, or the files cannot be written.
pub async fn ensure(paths: &Paths, name: &str) -> Result<Credentials, MailError> {
    let user = UserName::new(name)?;
    let root = paths.infra("mail");
    blocking(move || {
        layout::make_directory(&layout::users(&root))?;
        // Two launches may ask for the same mailbox at once; only one may make its password.
        let lock = layout::lock(&root)?;
        let password = if let Some(password) = read(&root, &user)? {
            password
        } else {
            let password = new_password()?;
            let file = UserFile { user: user.to_string(), password: password.clone() };
            let path = layout::user_file(&root, &user);
            let text =
                serde_json::to_vec(&file).map_err(|source| MailError::UserFile { path: path.clone(), source })?;
            atomic::write(&path, &text, Access::Private)?;
            password
        };
        layout::make_directory(&layout::mailbox(&root, user.as_str()))?;
        drop(lock);
        Ok(Credentials { user: user.to_string(), password })
    })
    .await
}

/// The login that sees all mailboxes; made if there is none yet.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_admin(paths: &Paths) -> Result<Credentials, MailError> {
    ensure(paths, ADMIN).await
}

/// What there is of the mailbox `name`; none if it has no login.
///
/// # Errors
/// When `name` cannot be a mailbox, or its files cannot be read.
pub async fn inspect(paths: &Paths, name: &str) -> Result<Option<Mailbox>, MailError> {
    let user = UserName::new(name)?;
    let root = paths.infra("mail");
    blocking(move || {
        if read(&root, &user)?.is_none() {
            return Ok(None);
        }
        Ok(Some(Mailbox { mails: count(&root, &user)? }))
    })
    .await
}

/// Removes login and box of `name`, if they are there. A running service ends the connections of that login.
///
/// # Errors
/// When `name` cannot be a mailbox, or the files cannot be removed.
pub async fn remove(paths: &Paths, name: &str) -> Result<(), MailError> {
    let user = UserName::new(name)?;
    let root = paths.infra("mail");
    blocking(move || {
        if !root.is_dir() {
            return Ok(());
        }
        let lock = layout::lock(&root)?;
        // The login first: from here on nobody gets in. Then the box goes under a name that is no box, all at once.
        missing_is_fine(
            std::fs::remove_file(layout::user_file(&root, &user)),
            "remove",
            &layout::user_file(&root, &user),
        )?;
        let mailbox = layout::mailbox(&root, user.as_str());
        let leaving = layout::boxes(&root).join(format!(".{user}"));
        remove_tree(&leaving)?;
        missing_is_fine(std::fs::rename(&mailbox, &leaving), "remove", &mailbox)?;
        remove_tree(&leaving)?;
        drop(lock);
        Ok(())
    })
    .await
}

fn read(root: &Utf8Path, user: &UserName) -> Result<Option<Secret>, MailError> {
    let path = layout::user_file(root, user);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(MailError::File { act: "read", path, source }),
    };
    let file: UserFile = serde_json::from_slice(&text).map_err(|source| MailError::UserFile { path, source })?;
    Ok(Some(file.password))
}

fn new_password() -> Result<Secret, MailError> {
    let mut random = [0; PASSWORD];
    getrandom::fill(&mut random).map_err(|error| MailError::Random(error.to_string()))?;
    Ok(Secret::new(hex::encode(random)))
}

fn missing_is_fine(result: std::io::Result<()>, act: &'static str, path: &Utf8Path) -> Result<(), MailError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MailError::File { act, path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn remove_tree(path: &Utf8Path) -> Result<(), MailError> {
    missing_is_fine(std::fs::remove_dir_all(path), "remove", path)
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, MailError> + Send + 'static,
) -> Result<T, MailError> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(MailError::Gone("the mailbox".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[tokio::test]
    async fn a_mailbox_is_made_once_and_removed_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = Utf8PathBuf::from_path_buf(directory.path().to_owned()).expect("UTF-8");
        let paths = Paths { state: state.clone(), cache: state };
        assert_eq!(inspect(&paths, "agent-1").await.expect("inspect"), None);
        remove(&paths, "agent-1").await.expect("removing nothing");
        let first = ensure(&paths, "agent-1").await.expect("ensure");
        let second = ensure(&paths, "agent-1").await.expect("ensure");
        assert_eq!(first.password, second.password);
        assert_ne!(first.password, ensure_admin(&paths).await.expect("ensure").password);
        assert_eq!(inspect(&paths, "agent-1").await.expect("inspect"), Some(Mailbox { mails: 0 }));
        let file = layout::user_file(&paths.infra("mail"), &UserName::new("agent-1").expect("a name"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).expect("a file").permissions());
        assert_eq!(mode & 0o777, 0o600);
        remove(&paths, "agent-1").await.expect("remove");
        assert_eq!(inspect(&paths, "agent-1").await.expect("inspect"), None);
        let left: Vec<_> = std::fs::read_dir(layout::boxes(&paths.infra("mail"))).expect("boxes").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(ensure(&paths, "unclaimed").await.is_err());
        assert!(ensure(&paths, "../x").await.is_err());
    }
}

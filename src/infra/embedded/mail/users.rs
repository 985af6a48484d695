//! Who may use the service: one file a user, read whenever somebody says who they are.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::MailError;
use crate::model::secret::Secret;

/// The user that sees all boxes.
pub const ADMIN: &str = "admin";
/// The box of mails that came without a login. Nobody's user name.
pub const UNCLAIMED: &str = "unclaimed";

/// The name of a user, which is the name of the user's box: safe as a file name, in a header and in a cookie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// `text`, if it is one.
    ///
    /// # Errors
    /// When it has other characters than `a-z0-9._-`, begins with another than `a-z0-9`, is longer than 64 bytes, or is
    /// [`UNCLAIMED`].
    pub fn new(text: &str) -> Result<Self, MailError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let good = text.len() <= 64
            && text != UNCLAIMED
            && text.bytes().all(inner)
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if good { Ok(Self(text.to_owned())) } else { Err(MailError::Name(text.to_owned())) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    /// The user, as in the file's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Somebody who proved who they are, as long as the user file says the same.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: UserName,
    proof: [u8; 32],
}

/// The directory of user files.
#[derive(Clone, Debug)]
pub(super) struct Users {
    directory: Utf8PathBuf,
}

impl Users {
    pub(super) const fn new(directory: Utf8PathBuf) -> Self {
        Self { directory }
    }

    pub(super) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// The login of `user` with `password`. Takes the same time whether the user is unknown or the password wrong.
    pub(super) fn check(&self, user: &str, password: &str) -> Option<Login> {
        let name = UserName::new(user).ok();
        let known = name.as_ref().and_then(|name| self.read(name));
        let expected = known.as_ref().map_or([0; 32], |password| digest("login", user, password.expose()));
        let given = digest("login", user, password);
        // Digests are compared, so that the time says nothing about the password.
        (known.is_some() && expected == given).then_some(())?;
        name.map(|user| Login { user, proof: expected })
    }

    /// Whether the user file still says what it said when `login` was made.
    pub(super) fn holds(&self, login: &Login) -> bool {
        self.read(&login.user)
            .is_some_and(|password| digest("login", login.user.as_str(), password.expose()) == login.proof)
    }

    /// The cookie of a user: derived from the password, so it needs no state and ends with the user file.
    pub(super) fn cookie(&self, login: &Login) -> Option<Cookie> {
        let password = self.read(&login.user)?;
        let token = |purpose| hex::encode(digest(purpose, login.user.as_str(), password.expose()));
        Some(Cookie { path: token("path")[..32].to_owned(), value: format!("{}:{}", login.user, token("cookie")) })
    }

    /// The login that a cookie `value` under the path secret `path` stands for.
    pub(super) fn check_cookie(&self, path: &str, value: &str) -> Option<Login> {
        let (user, _) = value.split_once(':')?;
        let user = UserName::new(user).ok()?;
        let password = self.read(&user)?;
        let login = Login { proof: digest("login", user.as_str(), password.expose()), user };
        let expected = self.cookie(&login)?;
        let same = |left: &str, right: &str| Sha256::digest(left) == Sha256::digest(right);
        (same(&expected.value, value) && same(&expected.path, path)).then_some(login)
    }

    fn read(&self, user: &UserName) -> Option<Secret> {
        let text = fs_err::read(self.directory.join(format!("{user}.json"))).ok()?;
        let file: UserFile = serde_json::from_slice(&text).ok()?;
        (file.user == user.as_str() && !file.password.expose().is_empty()).then_some(file.password)
    }
}

/// What a browser is given after `/login`.
#[derive(Debug)]
pub(super) struct Cookie {
    /// The secret path segment that the cookie is bound to; see `web::session`.
    pub(super) path: String,
    pub(super) value: String,
}

fn digest(purpose: &str, user: &str, password: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for piece in ["agent-harness mail", purpose, user, password] {
        hasher.update(piece.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("agent-1", true)]
    #[case("admin", true)]
    #[case("a.b_c", true)]
    #[case("unclaimed", false)]
    #[case("", false)]
    #[case(".", false)]
    #[case("..", false)]
    #[case("a/b", false)]
    #[case("../agent-1", false)]
    #[case("Agent-1", false)]
    #[case("a b", false)]
    #[case("a\0", false)]
    fn only_safe_names_are_users(#[case] text: &str, #[case] good: bool) {
        assert_eq!(UserName::new(text).is_ok(), good);
    }

    #[test]
    fn a_login_ends_with_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").to_owned();
        let users = Users::new(path.clone());
        let write = |password: &str| {
            let text = format!(r#"{{"user":"agent-1","password":"{password}"}}"#);
            fs_err::write(path.join("agent-1.json"), text).expect("a user file");
        };
        write("one");
        assert!(users.check("agent-1", "two").is_none());
        assert!(users.check("agent-1", "").is_none());
        assert!(users.check("agent-2", "one").is_none());
        let login = users.check("agent-1", "one").expect("the right password");
        let cookie = users.cookie(&login).expect("a cookie");
        assert!(users.check_cookie(&cookie.path, &cookie.value).is_some());
        assert!(users.check_cookie("0", &cookie.value).is_none());
        assert!(users.check_cookie(&cookie.path, &cookie.value.replace("agent-1", "agent-2")).is_none());
        write("two");
        assert!(!users.holds(&login));
        assert!(users.check_cookie(&cookie.path, &cookie.value).is_none());
        fs_err::remove_file(path.join("agent-1.json")).expect("removing");
        assert!(users.check("agent-1", "two").is_none());
    }
}

//! The user that PostgreSQL runs as under root, which it refuses to run as itself.

use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{ClusterError, Event};
use crate::{
    model::stack::RunAs,
    process::cmd::{self, Cmd},
};

/// The user that is made where there is no `postgres`.
const OWN: &str = "agent-harness";
/// Where the programs are that add users.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// An ordinary user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) run_as: RunAs,
}

/// Who has to run PostgreSQL: under root the user `postgres`, else one that is made; `None` for an ordinary user, who
/// runs it himself.
pub(super) async fn choose(tell: &mut dyn FnMut(Event)) -> Result<Option<User>, ClusterError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", OWN] {
        if let Some(user) = look_up(name)? {
            return Ok(Some(user));
        }
    }
    tell(Event::AddingUser { name: OWN.to_owned() });
    add().await?;
    look_up(OWN)?.map(Some).ok_or(ClusterError::NoUser)
}

fn look_up(name: &str) -> Result<Option<User>, ClusterError> {
    let path = "/etc/passwd";
    let text = fs_err::read_to_string(path).map_err(ClusterError::file("read", path))?;
    Ok(parse(&text, name))
}

/// The entry of `name` in the text of a passwd file, unless it is root's.
fn parse(passwd: &str, name: &str) -> Option<User> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid: u32 = fields.next()?.parse().ok()?;
    let gid: u32 = fields.next()?.parse().ok()?;
    (uid != 0).then(|| User { name: name.to_owned(), run_as: RunAs { uid, gid } })
}

/// Adds the system user: with shadow's useradd, else with busybox's adduser.
async fn add() -> Result<(), ClusterError> {
    let home = ["/nonexistent"];
    let (program, args): (_, Vec<&str>) = if let Some(program) = cmd::find("useradd", SYSTEM_PATH) {
        let args = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "--home-dir"];
        (program, [&args[..], &home, &[OWN]].concat())
    } else if let Some(program) = cmd::find("adduser", SYSTEM_PATH) {
        (program, [&["-S", "-D", "-H", "-s", "/sbin/nologin", "-h"][..], &home, &[OWN]].concat())
    } else {
        return Err(ClusterError::NoUser);
    };
    Cmd::new(program)
        .args(args)
        .envs([("PATH", SYSTEM_PATH)])
        .output()
        .await
        .map_err(|source| ClusterError::Command { act: "add the user agent-harness", source })?;
    Ok(())
}

/// Checks that `user` may pass through every directory above `target`.
pub(super) fn check_passage(user: &User, target: &Utf8Path) -> Result<(), ClusterError> {
    for directory in target.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
        let metadata = fs_err::metadata(directory).map_err(ClusterError::file("look at", directory))?;
        let bit = if metadata.uid() == user.run_as.uid {
            0o100
        } else if metadata.gid() == user.run_as.gid {
            0o010
        } else {
            0o001
        };
        if metadata.mode() & bit == 0 {
            return Err(ClusterError::Blocked {
                directory: Utf8PathBuf::from(directory),
                user: user.name.clone(),
                target: target.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:8::/:/bin/sh\n\
                          postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\nbad:x:a:b\n";

    #[rstest]
    #[case("postgres", Some((101, 104)))]
    #[case("root", None)]
    #[case("bad", None)]
    #[case("nobody", None)]
    fn only_ordinary_users_are_found(#[case] name: &str, #[case] ids: Option<(u32, u32)>) {
        assert_eq!(parse(PASSWD, name).map(|user| (user.run_as.uid, user.run_as.gid)), ids);
    }

    #[test]
    fn the_directory_that_blocks_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize().expect("a path")).expect("UTF-8");
        let shut = root.join("shut");
        fs_err::create_dir_all(shut.join("open")).expect("directories");
        let chmod = |path: &Utf8Path, mode| {
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        };
        // An id that nobody has, so only the bits for others count.
        let user = User { name: "somebody".to_owned(), run_as: RunAs { uid: 4_000_000, gid: 4_000_000 } };
        chmod(&root, 0o711);
        chmod(&shut, 0o711);
        check_passage(&user, &shut.join("open/target")).expect("a passage");
        chmod(&shut, 0o700);
        let error = check_passage(&user, &shut.join("open/target")).expect_err("no passage");
        assert!(matches!(error, ClusterError::Blocked { directory, .. } if directory == shut));
    }
}

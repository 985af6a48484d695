//! Makes a new cluster, whole or not at all.

use std::{os::unix::fs::DirBuilderExt as _, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{ClusterError, user::User};
use crate::{
    infra::postgres::{identifier, login::BUILDERS},
    model::{manifest::Durability, secret::Secret},
    process::cmd::{Cmd, CmdError},
};

/// initdb takes 1.5–3 s; ten of them at once on a slow disk still end.
const LIMIT: Duration = Duration::from_mins(3);
/// The first version with a collation that needs no locale of the operating system.
const BUILTIN_LOCALE_SINCE: u32 = 17;

/// What a new cluster is made with.
pub(super) struct Plan<'a> {
    pub(super) bin_dir: &'a Utf8Path,
    pub(super) major: u32,
    pub(super) user: Option<&'a User>,
    pub(super) durability: Durability,
    pub(super) password: &'a Secret,
}

impl Plan<'_> {
    /// Makes the cluster at `data`, which must not exist: under another name, with password and rights, synced, and
    /// then renamed.
    pub(super) async fn carry_out(&self, data: &Utf8Path) -> Result<(), ClusterError> {
        let temporary = Utf8PathBuf::from(format!("{data}.new"));
        remove_tree(&temporary)?;
        self.make_directory(&temporary)?;
        self.initdb(&temporary).await?;
        self.single_user(&temporary).await?;
        if self.durability == Durability::On {
            sync(&temporary)?;
        }
        fs_err::rename(&temporary, data).map_err(ClusterError::file("rename", &temporary))?;
        let parent = data.parent().unwrap_or(data);
        fs_err::File::open(parent).and_then(|file| file.sync_all()).map_err(ClusterError::file("sync", parent))
    }

    /// An empty directory that the user owns, so that initdb needs no rights above it.
    fn make_directory(&self, path: &Utf8Path) -> Result<(), ClusterError> {
        std::fs::DirBuilder::new().mode(0o700).create(path).map_err(ClusterError::file("make", path))?;
        if let Some(user) = self.user {
            std::os::unix::fs::chown(path, Some(user.run_as.uid), Some(user.run_as.gid))
                .map_err(ClusterError::file("change the owner of", path))?;
        }
        Ok(())
    }

    async fn initdb(&self, data: &Utf8Path) -> Result<(), ClusterError> {
        let fail = |source| ClusterError::Command { act: "make a PostgreSQL cluster", source };
        let locale = if self.major >= BUILTIN_LOCALE_SINCE {
            &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"][..]
        } else {
            &["--locale=C.UTF-8"]
        };
        match self.run_initdb(data, locale).await {
            // Before 17 the locale is the operating system's, and not every one has it.
            Err(CmdError::Failed { stderr, .. }) if stderr.contains("invalid locale name") => {
                remove_tree(data)?;
                self.make_directory(data)?;
                self.run_initdb(data, &["--locale=C"]).await.map_err(fail)
            }
            other => other.map_err(fail),
        }
    }

    async fn run_initdb(&self, data: &Utf8Path, locale: &[&str]) -> Result<(), CmdError> {
        let options = [
            "--encoding=UTF8",
            "--username=postgres",
            // Nobody gets in by the files that initdb writes; ours stand beside the data.
            "--auth-local=reject",
            "--auth-host=reject",
            "--wal-segsize=1",
            "--no-sync",
            "--no-instructions",
        ];
        let command = self.command("initdb").args(["-D", data.as_str()]).args(options).args(locale);
        command.output().await.map(drop)
    }

    /// Sets the superuser's password and shuts PUBLIC out, with no server that anybody could reach. The password
    /// itself is in no file and no argv, only its verifier on a standard input.
    async fn single_user(&self, data: &Utf8Path) -> Result<(), ClusterError> {
        let verifier = postgres_protocol::password::scram_sha_256(self.password.expose().as_bytes());
        let sql = [
            format!("ALTER ROLE postgres PASSWORD '{verifier}'"),
            format!("CREATE ROLE {} NOLOGIN NOINHERIT", identifier(BUILDERS)),
            "REVOKE ALL ON DATABASE postgres, template1, template0 FROM PUBLIC".to_owned(),
            "CREATE EXTENSION pg_stat_statements SCHEMA public".to_owned(),
        ];
        let input: String = sql.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.command("postgres")
            .args(["--single", "-D", data.as_str(), "-c", "exit_on_error=on", "-c", "fsync=off"])
            .args(["-c", "log_min_error_statement=panic", "postgres"])
            .stdin(input.into_bytes())
            .output()
            .await
            .map_err(|source| ClusterError::Command { act: "ready the new PostgreSQL cluster", source })?;
        Ok(())
    }

    fn command(&self, program: &str) -> Cmd {
        let path = format!("{}:/usr/bin:/bin", self.bin_dir);
        let command = Cmd::new(self.bin_dir.join(program))
            .envs([("PATH", path.as_str()), ("LC_ALL", "C"), ("TZ", "UTC")])
            .cwd(Utf8Path::new("/"))
            .timeout(LIMIT);
        match self.user {
            Some(user) => command.run_as(user.run_as),
            None => command,
        }
    }
}

/// Removes a directory with all in it; one that is not there is no error.
pub(super) fn remove_tree(path: &Utf8Path) -> Result<(), ClusterError> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ClusterError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Waits until all that was written to the disk of `path` is there.
pub(super) fn sync(path: &Utf8Path) -> Result<(), ClusterError> {
    let directory = fs_err::File::open(path).map_err(ClusterError::file("open", path))?;
    rustix::fs::syncfs(directory.file()).map_err(|errno| ClusterError::file("sync", path)(errno.into()))
}

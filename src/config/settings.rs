//! Resolves environment and files into `Settings` and `Paths`.

use std::{
    collections::BTreeSet,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::{
    ConfigError, env_names,
    environment::Environment,
    locate::{self, MANIFEST},
    manifest,
    paths::Paths,
};
use crate::model::{id::AgentId, manifest::InfraPorts, ports, settings::Settings};

/// The name of our folder in a user's XDG directories, and in `/var/lib` and `/var/cache`.
const FOLDER: &str = "agent-harness";

/// The settings of the project that `directory` belongs to. `owner_of` says which agent a worktree was made for.
///
/// # Errors
/// When there is no project, its manifest does not load, or a variable holds nonsense.
pub fn resolve(
    directory: &Utf8Path,
    environment: &Environment,
    owner_of: impl Fn(&Utf8Path) -> Option<AgentId>,
) -> Result<Settings, ConfigError> {
    let project = locate::project(directory)?;
    let manifest_path = project.root.join(MANIFEST);
    if !manifest_path.exists() {
        return Err(ConfigError::NoManifest { manifest: manifest_path });
    }
    let loaded = manifest::load(&manifest_path)?;
    let infra_ports = infra_ports(loaded.manifest.infra.ports, environment)?;
    let services: BTreeSet<_> = loaded.manifest.infra.services.iter().copied().collect();
    let own_id = if project.workdir == project.root { None } else { owner_of(&project.workdir) };
    Ok(Settings {
        manifest: loaded.manifest,
        manifest_path,
        project_root: project.root,
        common_dir: project.common_dir,
        workdir: project.workdir,
        infra_ports,
        expose: loaded.expose,
        own_id,
        services,
    })
}

/// The longest `TMPDIR` that programs are given: a socket's path has at most 107 bytes, and Chromium adds 47 to it.
const LONGEST_TEMPORARY: usize = 60;

/// What processes may have of `environment`, with the temporary folder of `paths`, unless its path is too long.
#[must_use]
pub fn base_env(environment: &Environment, paths: &Paths) -> IndexMap<String, String> {
    let mut base = environment.base();
    let temporary = paths.temporary().into_string();
    if temporary.len() <= LONGEST_TEMPORARY {
        base.insert("TMPDIR".to_owned(), temporary);
        base.sort_keys();
    }
    base
}

/// The current folder.
///
/// # Errors
/// When it is gone or no UTF-8.
pub fn current_directory() -> Result<Utf8PathBuf, ConfigError> {
    let directory = std::env::current_dir().map_err(ConfigError::NoCurrentDirectory)?;
    Utf8PathBuf::from_path_buf(directory).map_err(|path| ConfigError::NotUtf8 { path })
}

/// Makes `checkout` the current folder, unless the current one lies in a checkout of the same repository already: what
/// was called in a worktree is meant for that worktree, wherever the script that was called lies.
///
/// # Errors
/// When `checkout` cannot be entered.
pub fn enter(checkout: &Utf8Path) -> Result<(), ConfigError> {
    let repository = |directory: &Utf8Path| locate::project(directory).ok().map(|project| project.common_dir);
    if let (Ok(here), Some(wanted)) = (current_directory(), repository(checkout))
        && repository(&here) == Some(wanted)
    {
        return Ok(());
    }
    std::env::set_current_dir(checkout).map_err(|source| ConfigError::Checkout { path: checkout.to_owned(), source })
}

/// The infra's ports after the `AGENT_*_PORT` variables.
///
/// # Errors
/// When a variable holds no port, or two services have the same.
pub fn infra_ports(mut ports: InfraPorts, environment: &Environment) -> Result<InfraPorts, ConfigError> {
    for (name, port) in [
        (env_names::DB_PORT, &mut ports.postgres),
        (env_names::S3_PORT, &mut ports.s3),
        (env_names::S3_CONSOLE_PORT, &mut ports.s3_console),
        (env_names::BROWSER_PORT, &mut ports.browser),
        (env_names::SMTP_PORT, &mut ports.smtp),
        (env_names::MAIL_PORT, &mut ports.mail),
    ] {
        let Some(value) = environment.get(name) else { continue };
        let plain = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain { value.parse().ok().filter(|number| *number >= 1024) } else { None };
        *port = number.ok_or_else(|| ConfigError::PortVariable { name, value: value.to_owned() })?;
    }
    ports::check_infra(&ports)?;
    Ok(ports)
}

/// Where this user's state and cache lie: the `AGENT_HARNESS_*_DIR` variables, else for root `/var/lib` and
/// `/var/cache`, else the XDG directories.
///
/// # Errors
/// When a variable holds no absolute path, or nothing says where the user's files are.
pub fn paths(environment: &Environment) -> Result<Paths, ConfigError> {
    let root = rustix::process::geteuid().is_root();
    let state = directory(environment, env_names::STATE_DIR, root, "/var/lib", "XDG_STATE_HOME", ".local/state")?;
    let cache = directory(environment, env_names::CACHE_DIR, root, "/var/cache", "XDG_CACHE_HOME", ".cache")?;
    Ok(Paths { state, cache })
}

fn directory(
    environment: &Environment,
    own: &'static str,
    root: bool,
    system: &str,
    xdg: &str,
    below_home: &str,
) -> Result<Utf8PathBuf, ConfigError> {
    if let Some(value) = environment.get(own) {
        let path = Utf8PathBuf::from(value);
        return if path.is_absolute() {
            Ok(path)
        } else {
            Err(ConfigError::NotAbsolute { name: own, value: value.to_owned() })
        };
    }
    if root {
        return Ok(Utf8Path::new(system).join(FOLDER));
    }
    // The XDG specification has relative paths ignored.
    if let Some(value) = environment.get(xdg).filter(|value| value.starts_with('/')) {
        return Ok(Utf8Path::new(value).join(FOLDER));
    }
    let home = environment.get("HOME").filter(|home| home.starts_with('/')).ok_or(ConfigError::NoHome)?;
    Ok(Utf8Path::new(home).join(below_home).join(FOLDER))
}

/// Makes the state and cache directories, and those that everything else is made in. As an ordinary user they are
/// 0700; as root 0711, because postgres and others run as users that must pass through.
///
/// # Errors
/// When one cannot be made.
pub fn make_directories(paths: &Paths) -> Result<(), ConfigError> {
    let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    for (path, own) in [
        (paths.state.clone(), true),
        (paths.cache.clone(), true),
        (paths.locks(), false),
        (paths.temporary(), false),
        (paths.state.join("agents"), false),
        (paths.state.join("stacks"), false),
        (paths.state.join("infra"), true),
        (paths.obtained(), true),
    ] {
        let fail = |source| ConfigError::Directory { path: path.clone(), source };
        if path.is_dir() {
            continue;
        }
        let mode = if own { mode } else { 0o700 };
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(fail)?;
        // The mode given to mkdir loses what the umask takes.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[rstest]
    #[case("15433", Ok(15433))]
    #[case("", Ok(15432))]
    #[case("0", Err("AGENT_DB_PORT=\"0\" is no port: a whole number from 1024 to 65535 is"))]
    #[case("+15433", Err("AGENT_DB_PORT=\"+15433\" is no port: a whole number from 1024 to 65535 is"))]
    #[case("70000", Err("AGENT_DB_PORT=\"70000\" is no port: a whole number from 1024 to 65535 is"))]
    #[case(" 15433", Err("AGENT_DB_PORT=\" 15433\" is no port: a whole number from 1024 to 65535 is"))]
    #[case("19000", Err("`s3` and `postgres` have the same port 19000"))]
    fn variables_move_ports(#[case] value: &str, #[case] expected: Result<u16, &str>) {
        let ports = infra_ports(InfraPorts::default(), &environment(&[(env_names::DB_PORT, value)]));
        assert_eq!(
            ports.map(|ports| ports.postgres).map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn programs_get_our_temporary_folder_where_sockets_fit_in_it() {
        let given = environment(&[("TMPDIR", "/theirs"), ("PORT", "1")]);
        let of = |state: &str| {
            let paths = Paths { state: state.into(), cache: "/c".into() };
            base_env(&given, &paths).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of("/home/me/state"), [("TMPDIR".to_owned(), "/home/me/state/tmp".to_owned())]);
        assert_eq!(of(&format!("/{}", "x".repeat(60))), [("TMPDIR".to_owned(), "/theirs".to_owned())]);
    }

    #[test]
    fn directories_of_root_and_of_others() {
        let state = |variables: &[(&str, &str)], root| {
            let environment = environment(variables);
            directory(&environment, env_names::STATE_DIR, root, "/var/lib", "XDG_STATE_HOME", ".local/state")
                .map(String::from)
                .map_err(|error| error.to_string())
        };
        let home = ("HOME", "/home/me");
        assert_eq!(state(&[home], false).as_deref(), Ok("/home/me/.local/state/agent-harness"));
        assert_eq!(state(&[home], true).as_deref(), Ok("/var/lib/agent-harness"));
        assert_eq!(state(&[home, ("XDG_STATE_HOME", "/x")], false).as_deref(), Ok("/x/agent-harness"));
        assert_eq!(
            state(&[home, ("XDG_STATE_HOME", "x")], false).as_deref(),
            Ok("/home/me/.local/state/agent-harness")
        );
        assert_eq!(state(&[(env_names::STATE_DIR, "/y")], true).as_deref(), Ok("/y"));
        assert!(state(&[(env_names::STATE_DIR, "y")], false).is_err());
        assert!(state(&[], false).is_err());
    }
}

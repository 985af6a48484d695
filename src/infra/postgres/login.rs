//! Who connects, and where to.

use crate::model::secret::Secret;

/// The maintenance database that every cluster has: where the superuser works when it works on databases.
pub const MAINTENANCE_DATABASE: &str = "postgres";

/// The role whose members build templates; it owns nothing and nobody logs in as it. The embedded server lets only its
/// members connect to a database of another name than their own.
pub const BUILDERS: &str = "agent_harness_builders";

/// One server, with the superuser's login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The superuser's name.
    pub superuser: String,
    /// The superuser's password.
    pub password: Secret,
}

impl Server {
    /// The superuser's login into `database`.
    #[must_use]
    pub fn admin(&self, database: &str) -> Login {
        self.login(database, &self.superuser, &self.password)
    }

    /// A login of `user` into `database` on this server.
    #[must_use]
    pub fn login(&self, database: &str, user: &str, password: &Secret) -> Login {
        Login {
            host: self.host.clone(),
            port: self.port,
            database: database.to_owned(),
            user: user.to_owned(),
            password: password.clone(),
        }
    }
}

/// All that a client needs to connect to one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl Login {
    /// The login as a URL, password included.
    ///
    /// # Panics
    /// When the host is none that a URL can hold.
    #[must_use]
    pub fn url(&self) -> Secret {
        let mut url = url::Url::parse("postgres://localhost").expect("a constant URL");
        url.set_host(Some(&self.host)).expect("a host name or address");
        url.set_port(Some(self.port)).expect("a URL with a host may have a port");
        // What looks like an escape is left alone by the setters.
        let escaped = |text: &str| text.replace('%', "%25");
        url.set_username(&escaped(&self.user)).expect("a URL with a host may have a user");
        url.set_password(Some(&escaped(self.password.expose()))).expect("a URL with a host may have a password");
        url.set_path(&escaped(&self.database));
        Secret::new(url.into())
    }

    /// The login without its password, for messages: `user@host:port/database`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_survives_any_password() {
        let password = Secret::new("a b/c@d:e?f#g%41".to_owned());
        let login = Login {
            host: "127.0.0.1".to_owned(),
            port: 15432,
            database: "agent_1".to_owned(),
            user: "agent_1".to_owned(),
            password,
        };
        let config: tokio_postgres::Config = login.url().expose().parse().expect("a connection URL");
        assert_eq!(config.get_password(), Some(login.password.expose().as_bytes()));
        assert_eq!((config.get_dbname(), config.get_user()), (Some("agent_1"), Some("agent_1")));
        assert_eq!(login.target(), "agent_1@127.0.0.1:15432/agent_1");
    }
}

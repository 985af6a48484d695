//! Logins of the object browser: in memory, few, ended by time, by logout and by a change of the key.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Request, header};
use sha2::{Digest as _, Sha256};

use crate::infra::embedded::s3::{
    content::random,
    keys::{KeyFile, Keys},
};

/// How long a login lasts.
const LIFETIME: Duration = Duration::from_hours(12);
/// Logins at once; the oldest gives way.
const MOST: usize = 64;
/// Name of the cookie.
const COOKIE: &str = "agent-harness-s3";

/// One login.
#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    cookie: String,
    /// What every form and upload must repeat: another page can send the cookie but not read this.
    pub(super) token: String,
    secret_hash: [u8; 32],
    began: Instant,
    /// The key as its file says now.
    pub(super) key: KeyFile,
}

impl Session {
    /// The page of the bucket.
    pub(super) fn home(&self) -> String {
        format!("/s/{}/", self.id)
    }
}

/// All logins.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares secrets in a time that says nothing about where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    hash(one) == hash(other)
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a login with `key`; returns it with the cookie to set.
    pub(super) fn begin(&self, key: &KeyFile) -> (Session, String) {
        let text = || hex::encode(random::<16>());
        let session = Session {
            id: text(),
            cookie: text(),
            token: text(),
            secret_hash: hash(key.secret_key.expose()),
            began: Instant::now(),
            key: key.clone(),
        };
        let cookie = format!(
            "{COOKIE}={}; Path={}; HttpOnly; SameSite=Strict; Max-Age={}",
            session.cookie,
            session.home(),
            LIFETIME.as_secs()
        );
        let mut table = self.table();
        table.retain(|_, session| session.began.elapsed() < LIFETIME);
        if table.len() >= MOST
            && let Some(oldest) = table.values().min_by_key(|session| session.began).map(|session| session.id.clone())
        {
            table.remove(&oldest);
        }
        table.insert(session.id.clone(), session.clone());
        (session, cookie)
    }

    /// The login `id`, if the request carries its cookie and its key still is what it was.
    pub(super) fn find<B>(&self, id: &str, request: &Request<B>, keys: &Keys) -> Option<Session> {
        let mut session = self.table().get(id).filter(|session| session.began.elapsed() < LIFETIME).cloned()?;
        let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        if !pairs.any(|(name, value)| name == COOKIE && same(value, &session.cookie)) {
            return None;
        }
        session.key = keys.find(&session.key.access_key)?;
        (hash(session.key.secret_key.expose()) == session.secret_hash).then_some(session)
    }

    /// Ends the login `id`.
    pub(super) fn end(&self, id: &str) {
        self.table().remove(id);
    }
}

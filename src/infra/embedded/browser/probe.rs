//! Whether a Chromium really works here, and whether its sandbox does: one is started and made to run a line of script
//! in a page.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::unix::pipe::{Receiver, Sender},
};

use super::{BrowserError, chromium::Recipe};
use crate::{
    config::environment::Environment,
    store::atomic::{self, Access},
};

/// A full Chromium under load starts within seconds; one that hangs is not usable.
const LIMIT: Duration = Duration::from_secs(30);

/// What was found out about a Chromium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Whether its own sandbox works for this user.
    pub sandbox: bool,
    /// Its name and version, such as `HeadlessChrome/153.0.8010.0`.
    pub product: String,
    /// The user agent of its pages.
    pub user_agent: String,
    /// The version of its JavaScript engine.
    pub js: String,
    /// The version of the protocol that it speaks.
    pub protocol: String,
}

/// A probe and what it holds for.
#[derive(Serialize, Deserialize)]
struct Remembered {
    program: String,
    size: u64,
    modified: i64,
    user: u32,
    libraries: Option<String>,
    probe: Probe,
}

/// Starts `program` once, with its sandbox and, where that fails, without. `root` is a directory for profiles, `env`
/// the environment that it will be started in. What was found is remembered in the file `memory` for as long as
/// program and user are the same.
///
/// # Errors
/// When it does not work either way.
pub async fn probe(
    program: &Utf8Path,
    root: &Utf8Path,
    env: &Environment,
    memory: &Utf8Path,
) -> Result<Probe, BrowserError> {
    let unusable = |why: String| BrowserError::Unusable { program: program.to_owned(), why };
    let metadata = program.metadata().map_err(|error| unusable(error.to_string()))?;
    let (size, modified) = (metadata.size(), metadata.mtime());
    let user = rustix::process::geteuid().as_raw();
    let known = std::fs::read(memory).ok().and_then(|text| serde_json::from_slice::<Remembered>(&text).ok());
    let libraries = env.get("LD_LIBRARY_PATH").map(str::to_owned);
    if let Some(known) = known.filter(|known| {
        (known.program.as_str(), known.size, known.modified, known.user) == (program.as_str(), size, modified, user)
            && known.libraries == libraries
    }) {
        return Ok(known.probe);
    }
    // Chromium refuses to use its sandbox as root, so there it need not be tried.
    let with_sandbox =
        if user == 0 { Err(unusable("root".to_owned())) } else { try_once(program, root, env, true).await };
    let probe = match with_sandbox {
        Ok(probe) => probe,
        Err(_) => try_once(program, root, env, false).await?,
    };
    let text = serde_json::to_vec_pretty(&Remembered {
        program: program.to_string(),
        size,
        modified,
        user,
        libraries,
        probe: probe.clone(),
    })
    .map_err(|error| unusable(error.to_string()))?;
    atomic::write(memory, &text, Access::Shared)
        .map_err(|error| BrowserError::Disk { path: memory.to_owned(), source: std::io::Error::other(error) })?;
    Ok(probe)
}

async fn try_once(
    program: &Utf8Path,
    root: &Utf8Path,
    env: &Environment,
    sandbox: bool,
) -> Result<Probe, BrowserError> {
    let unusable = |why: String| BrowserError::Unusable { program: program.to_owned(), why };
    let (chromium, sender, receiver) = Recipe::new(program, root, env, sandbox).start(&[])?;
    let asked = tokio::time::timeout(LIMIT, converse(sender, receiver)).await;
    let words = chromium.last_words();
    chromium.end().await?;
    let answer = asked.map_err(|_| unusable(format!("no answer within {} s", LIMIT.as_secs())))?;
    let version = answer.ok_or_else(|| unusable(format!("it ended: {}", words.trim())))?;
    let text = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
    Ok(Probe {
        sandbox,
        product: text("product"),
        user_agent: text("userAgent"),
        js: text("jsVersion"),
        protocol: text("protocolVersion"),
    })
}

/// Has a page add two numbers and asks for the version; `None` when Chromium ends or answers something else.
async fn converse(mut sender: Sender, receiver: Receiver) -> Option<Value> {
    let mut receiver = BufReader::new(receiver);
    let mut number = 0;
    let mut ask = async |method: &str, params: Value, session: &Value| -> Option<Value> {
        number += 1;
        let mut message = json!({"id": number, "method": method, "params": params});
        if !session.is_null() {
            message["sessionId"] = session.clone();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        sender.write_all(&bytes).await.ok()?;
        loop {
            let mut answer = Vec::new();
            receiver.read_until(0, &mut answer).await.ok()?;
            answer.pop()?;
            let mut answer: Value = serde_json::from_slice(&answer).ok()?;
            if answer["id"] == number {
                return answer.get_mut("result").map(Value::take);
            }
        }
    };
    let target = ask("Target.createTarget", json!({"url": "about:blank"}), &Value::Null).await?;
    let attach = json!({"targetId": target["targetId"], "flatten": true});
    let session = ask("Target.attachToTarget", attach, &Value::Null).await?["sessionId"].take();
    let sum = ask("Runtime.evaluate", json!({"expression": "1 + 1"}), &session).await?;
    if sum["result"]["value"] != 2 {
        return None;
    }
    ask("Browser.getVersion", json!({}), &Value::Null).await
}

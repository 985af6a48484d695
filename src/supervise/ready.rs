//! Asks a process whether it is ready, often while it is young.

use std::time::{Duration, Instant};

use super::unit::Reports;
use crate::{
    config::env_names,
    model::{
        machine::Event,
        stack::{ProcessSpec, ReadyCheck},
    },
    process::{cmd::Cmd, probe},
};

/// How long one question may take. Longer than `probe::LIMIT`: a dev server answers its first request slowly, and
/// asking again and again would only make it slower.
const QUESTION: Duration = Duration::from_secs(10);

/// The time between two questions to a process that has run for `age`: nobody should wait noticeably longer than it
/// takes, and nothing should be busy with a process that does not come.
fn pause(age: Duration) -> Duration {
    Duration::from_millis(match age.as_secs() {
        0..10 => 10,
        10..60 => 50,
        60..600 => 250,
        _ => 1000,
    })
}

/// Asks until the answer is yes. `None` when nothing can be asked.
pub(super) fn probe(spec: &ProcessSpec, life: u64, reports: &Reports) -> Option<impl Future<Output = ()> + use<>> {
    let check = spec.ready.as_ref()?.check.clone();
    if matches!(check, ReadyCheck::Log { .. }) {
        return None;
    }
    let (spec, reports) = (spec.clone(), reports.clone());
    Some(async move {
        let begun = Instant::now();
        let mut last = String::new();
        loop {
            let asked = Instant::now();
            match ask(&check, &spec).await {
                Ok(()) => {
                    drop(reports.send((spec.name.clone(), Event::Ready { life })));
                    return;
                }
                Err(why) if why != last => {
                    last.clone_from(&why);
                    drop(reports.send((spec.name.clone(), Event::NotReady { life, why })));
                }
                Err(_) => {}
            }
            // A question that is expensive to answer is asked less often.
            tokio::time::sleep(pause(begun.elapsed()).max(asked.elapsed())).await;
        }
    })
}

async fn ask(check: &ReadyCheck, spec: &ProcessSpec) -> Result<(), String> {
    match check {
        ReadyCheck::Http { url } => match probe::http(url, QUESTION).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{url}: {error}")),
        },
        ReadyCheck::Tcp { port } => match probe::tcp(*port, QUESTION).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("port {port}: {error}")),
        },
        ReadyCheck::Command { argv } => {
            let (program, arguments) = argv.split_first().ok_or("the check has no command")?;
            let path = spec.env.get("PATH").map_or(env_names::DEFAULT_PATH, String::as_str);
            let found = crate::process::cmd::find(program, path).ok_or_else(|| format!("{program}: not found"))?;
            let mut command = Cmd::new(found).args(arguments).envs(&spec.env).cwd(&spec.cwd).timeout(QUESTION);
            if let Some(user) = spec.run_as {
                command = command.run_as(user);
            }
            command.output().await.map(drop).map_err(|error| error.to_string())
        }
        ReadyCheck::Log { pattern } => Err(format!("no line matched {pattern}")),
    }
}

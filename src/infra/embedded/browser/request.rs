//! What a client asks for in the address it connects to: `/any/path?timeout=<ms>&launch={"args":[…]}`.
//!
//! As browserless takes it: the path does not matter, `token` is ignored, flags may also stand in the query themselves
//! (`?--window-size=800,600`), and `launch` is JSON, plain or in base64.

use std::time::Duration;

use base64::Engine as _;

use super::arguments;

/// The longest a session may live, also when nothing is asked: an agent at work needs hours, a forgotten one ends.
const LONGEST: Duration = Duration::from_hours(12);

/// One session as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionRequest {
    /// After how long it is ended.
    pub(super) timeout: Duration,
    /// Arguments for Chromium, all allowed.
    pub(super) args: Vec<String>,
    /// Arguments that were dropped, for the log.
    pub(super) dropped: Vec<String>,
}

/// The address says something that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("launch is neither JSON nor JSON in base64")]
    Launch,
    #[error("launch is not a JSON object")]
    Object,
    #[error("launch.args is not a list of texts")]
    Args,
    #[error("timeout is not a number of milliseconds")]
    Timeout,
}

impl SessionRequest {
    /// Reads the query (without `?`) of an address.
    pub(super) fn of_query(query: &str) -> Result<Self, BadRequest> {
        let mut request = Self { timeout: LONGEST, args: Vec::new(), dropped: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "timeout" => request.timeout = timeout(&value)?,
                "launch" => {
                    for argument in launch(&value)? {
                        request.ask(argument);
                    }
                }
                flag if flag.starts_with("--") => {
                    request.ask(if value.is_empty() { flag.to_owned() } else { format!("{flag}={value}") });
                }
                _ => {}
            }
        }
        Ok(request)
    }

    fn ask(&mut self, argument: String) {
        if arguments::is_allowed(&argument) {
            self.args.push(argument);
        } else {
            self.dropped.push(argument);
        }
    }
}

fn timeout(text: &str) -> Result<Duration, BadRequest> {
    let milliseconds: i64 = text.trim().parse().map_err(|_| BadRequest::Timeout)?;
    // 0 and -1 mean none to browserless.
    let asked = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0);
    Ok(asked.map_or(LONGEST, Duration::from_millis).min(LONGEST))
}

fn launch(text: &str) -> Result<Vec<String>, BadRequest> {
    let value: serde_json::Value = serde_json::from_str(text).or_else(|_| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).map_err(|_| BadRequest::Launch)?;
        serde_json::from_slice(&bytes).map_err(|_| BadRequest::Launch)
    })?;
    let object = value.as_object().ok_or(BadRequest::Object)?;
    let Some(args) = object.get("args") else { return Ok(Vec::new()) };
    let args = args.as_array().ok_or(BadRequest::Args)?;
    args.iter().map(|arg| arg.as_str().map(str::to_owned).ok_or(BadRequest::Args)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn asked(query: &str) -> SessionRequest {
        SessionRequest::of_query(query).expect("a good query")
    }

    #[test]
    fn a_browserless_address_is_understood() {
        let request = asked(
            "token=x&timeout=60000&launch=%7B%22args%22%3A%5B%22--window-size%3D800%2C600%22%2C%22--no-sandbox%22%5D%7D",
        );
        assert_eq!(request.timeout, Duration::from_mins(1));
        assert_eq!(request.args, ["--window-size=800,600"]);
        assert_eq!(request.dropped, ["--no-sandbox"]);
    }

    #[test]
    fn unescaped_json_base64_and_flags_in_the_query_are_understood() {
        assert_eq!(asked(r#"launch={"args":["--hide-scrollbars"]}"#).args, ["--hide-scrollbars"]);
        assert_eq!(asked("launch=eyJhcmdzIjpbIi0tbGFuZz1kZSJdfQ==").args, ["--lang=de"]);
        assert_eq!(asked("--lang=de&--hide-scrollbars").args, ["--lang=de", "--hide-scrollbars"]);
        assert_eq!(asked("").args, Vec::<String>::new());
    }

    #[rstest]
    #[case("timeout=0", LONGEST)]
    #[case("timeout=-1", LONGEST)]
    #[case("timeout=999999999999999", LONGEST)]
    #[case("timeout=1500", Duration::from_millis(1500))]
    fn the_time_out_is_bounded(#[case] query: &str, #[case] expected: Duration) {
        assert_eq!(asked(query).timeout, expected);
    }

    #[rstest]
    #[case("launch=no+json", BadRequest::Launch)]
    #[case("launch=[1]", BadRequest::Object)]
    #[case(r#"launch={"args":"x"}"#, BadRequest::Args)]
    #[case(r#"launch={"args":[1]}"#, BadRequest::Args)]
    #[case("timeout=soon", BadRequest::Timeout)]
    fn what_cannot_be_understood_is_refused(#[case] query: &str, #[case] expected: BadRequest) {
        assert_eq!(SessionRequest::of_query(query), Err(expected));
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "(launch|timeout|--)?=?[\\PC]{0,80}") {
            drop(SessionRequest::of_query(&query));
        }

        #[test]
        fn deep_json_is_refused_and_no_stack_overflows(depth in 1_usize..20_000) {
            let query = format!("launch={}", "[".repeat(depth));
            proptest::prop_assert!(SessionRequest::of_query(&query).is_err());
        }
    }
}

//! Durations as a manifest writes them: `500ms`, `180s`, `2m`, `1h`.

use std::time::Duration;

/// The text was no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: write a whole number and ms, s, m or h, such as \"500ms\", \"180s\" or \"2m\"")]
pub struct InvalidDuration(pub String);

/// Longest duration taken, in milliseconds: a day. What should take longer is a mistake of units.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// Reads a duration: digits and a unit, from 1 ms to one day.
///
/// # Errors
/// When `text` is anything else.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let fail = || InvalidDuration(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(fail()),
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(fail)?;
    if (1..=LONGEST_MS).contains(&millis) { Ok(Duration::from_millis(millis)) } else { Err(fail()) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("500ms", Some(500))]
    #[case("180s", Some(180_000))]
    #[case("2m", Some(120_000))]
    #[case("24h", Some(86_400_000))]
    #[case("25h", None)]
    #[case("0s", None)]
    #[case("", None)]
    #[case("s", None)]
    #[case("5", None)]
    #[case("5 s", None)]
    #[case("-5s", None)]
    #[case("1.5s", None)]
    #[case("99999999999999999999s", None)]
    #[case("18446744073709551615h", None)]
    fn only_a_number_and_a_unit(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(parse(text).ok(), millis.map(Duration::from_millis));
    }
}

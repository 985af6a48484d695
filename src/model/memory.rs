//! Amounts of memory as a manifest writes them: `512m`, `4g`.

/// The text was no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of memory: write a whole number and m or g, such as \"512m\" or \"4g\"")]
pub struct InvalidAmount(pub String);

/// Largest amount taken, in bytes: 1 TiB. What should need more is a mistake of units.
const MOST: u64 = 1 << 40;

/// Reads an amount in bytes: digits and a unit (MiB or GiB), from 1 MiB to 1 TiB.
///
/// # Errors
/// When `text` is anything else.
pub fn parse(text: &str) -> Result<u64, InvalidAmount> {
    let fail = || InvalidAmount(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(fail()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(fail)?;
    if (1..=MOST).contains(&bytes) { Ok(bytes) } else { Err(fail()) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("512m", Some(512 << 20))]
    #[case("4g", Some(4 << 30))]
    #[case("1024g", Some(1 << 40))]
    #[case("1025g", None)]
    #[case("0m", None)]
    #[case("", None)]
    #[case("g", None)]
    #[case("4", None)]
    #[case("4 g", None)]
    #[case("4G", None)]
    #[case("1.5g", None)]
    #[case("-1g", None)]
    #[case("18446744073709551615g", None)]
    fn only_a_number_and_a_unit(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(parse(text).ok(), bytes);
    }
}

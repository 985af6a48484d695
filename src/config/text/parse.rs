//! Texts as pieces.

use super::TextError;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stays as it is.
    Plain(String),
    /// Is substituted.
    Name {
        /// What stands between the braces, trimmed.
        name: String,
        /// Which `{{` of the text this is, counted from 0.
        nth: usize,
    },
}

/// Takes `text` apart.
///
/// # Errors
/// When a `{{` is not closed or has no name in it.
pub fn parse(text: &str) -> Result<Vec<Piece>, TextError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    let mut nth = 0;
    while let Some(at) = rest.find("{{") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        if let Some(after) = rest.strip_prefix("{{") {
            plain.push_str("{{");
            rest = after;
            nth += 2;
            continue;
        }
        let end = rest.find("}}").ok_or(TextError::Unclosed { nth })?;
        let name = rest[..end].trim();
        if name.contains("{{") {
            return Err(TextError::Unclosed { nth });
        }
        if !is_name(name) {
            return Err(TextError::NoName { nth, inside: name.chars().take(40).collect() });
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Name { name: name.to_owned(), nth });
        rest = &rest[end + 2..];
        nth += 1;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok(pieces)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// `text` with every name replaced by what `lookup` knows of it.
///
/// # Errors
/// When the text is malformed or `lookup` does not know a name.
pub fn substitute(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, TextError> {
    let mut result = String::with_capacity(text.len());
    for piece in parse(text)? {
        match piece {
            Piece::Plain(plain) => result.push_str(&plain),
            Piece::Name { name, nth } => match lookup(&name) {
                Some(value) => result.push_str(&value),
                None => return Err(TextError::Unknown { nth, name }),
            },
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn number(name: &str) -> Option<String> {
        (name == "id").then(|| "7".to_owned())
    }

    #[rstest]
    #[case("a{{id}}b{{ id }}c", Ok("a7b7c"))]
    #[case("", Ok(""))]
    #[case("}} {x} {", Ok("}} {x} {"))]
    #[case("{{{{ id }}", Ok("{{ id }}"))]
    #[case("{{{{{{ id }}", Ok("{{7"))]
    #[case("{{ id", Err(TextError::Unclosed { nth: 0 }))]
    #[case("{{ id }} {{ {{ id }}", Err(TextError::Unclosed { nth: 1 }))]
    #[case("{{{{ {{ x }}", Err(TextError::Unknown { nth: 2, name: "x".to_owned() }))]
    #[case("{{ id | upper }}", Err(TextError::NoName { nth: 0, inside: "id | upper".to_owned() }))]
    #[case("{{}}", Err(TextError::NoName { nth: 0, inside: String::new() }))]
    fn only_known_names_are_replaced(#[case] text: &str, #[case] expected: Result<&str, TextError>) {
        assert_eq!(substitute(text, number), expected.map(str::to_owned));
    }

    proptest! {
        #[test]
        fn any_text_can_be_written(text in "[^\u{0}]*") {
            // One brace more than a pair must not pair up with its neighbour.
            let odd = text.contains("{{{");
            let written = text.replace("{{", "{{{{");
            prop_assume!(!odd);
            prop_assert_eq!(substitute(&written, number), Ok(text));
        }

        #[test]
        fn no_text_panics(text in "[{} a-z|é]*") {
            drop(substitute(&text, number));
        }
    }
}

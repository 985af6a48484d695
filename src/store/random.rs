//! Secrets.

use super::StoreError;
use crate::model::secret::Secret;

/// Characters of a secret: nothing that a URL, a shell, an env file or SQL could misread.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a secret: 190 bits.
const LENGTH: usize = 32;

/// A new random secret of 32 letters and digits.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn secret() -> Result<Secret, StoreError> {
    let mut text = String::with_capacity(LENGTH);
    let mut bytes = [0; 2 * LENGTH];
    while text.len() < LENGTH {
        getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
        // 248 is the largest multiple of 62 in a byte: above it some characters would come more often.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(fair.take(LENGTH - text.len()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_plain_and_never_the_same() {
        let (one, other) = (secret().expect("randomness"), secret().expect("randomness"));
        assert_eq!(one.expose().len(), LENGTH);
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}

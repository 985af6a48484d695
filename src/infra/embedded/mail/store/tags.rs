//! Tags: from the header `X-Tags`, from plus-addresses, from the API.

use crate::infra::embedded::mail::mime::{Mail, raw_headers};

/// Longest tag.
const LONGEST: usize = 100;

/// The spelling of a tag that is stored; "" if nothing is left of it.
pub(in crate::infra::embedded::mail) fn clean(tag: &str) -> String {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || "-._@".contains(letter) { letter } else { ' ' };
    let spaced: String = tag.chars().map(allowed).collect();
    let joined = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.chars().take(LONGEST).collect::<String>().trim_end().to_owned()
}

/// Sorted without case, every tag once.
pub(super) fn sorted(tags: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(|tag| clean(&tag)).filter(|tag| !tag.is_empty()).collect();
    tags.sort_by_key(|tag| tag.to_ascii_lowercase());
    tags.dedup_by(|right, left| right.eq_ignore_ascii_case(left));
    tags
}

/// The tags that a mail brings with it.
pub(super) fn of(mail: &Mail<'_>, raw: &[u8]) -> Vec<String> {
    let headers = raw_headers(raw);
    let listed = headers.get("X-Tags").into_iter().flatten().flat_map(|line| line.split(',')).map(ToOwned::to_owned);
    let addresses = [mail.to(), mail.cc(), mail.bcc()].into_iter().flatten().chain(mail.from());
    let plus = addresses.flat_map(|one| {
        let local = one.address.rsplit_once('@').map_or("", |(local, _)| local);
        local.split('+').skip(1).map(ToOwned::to_owned).collect::<Vec<_>>()
    });
    sorted(listed.chain(plus))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_cleaned_sorted_and_single() {
        assert_eq!(clean("team/one+x"), "team one x");
        assert_eq!(clean("<script>"), "script");
        let raw = b"X-Tags: b, A, a\r\nTo: u+zed+c@x.test\r\nFrom: f+d@x.test\r\n\r\n";
        assert_eq!(of(&Mail::parse(raw), raw), ["A", "b", "c", "d", "zed"]);
    }
}

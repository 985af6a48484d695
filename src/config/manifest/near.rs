//! The known name that was probably meant.

/// Characters of an unknown name that are compared and shown: comparing is quadratic, and the name is anybody's.
const SHOWN: usize = 64;

/// The one of `known` that is most like `name`, if any is like it at all: one typing mistake, or more in a long name.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = shortened(name).to_lowercase();
    let rank = |candidate: &str| {
        let mistakes = strsim::osa_distance(&name, candidate);
        let likeness = strsim::jaro_winkler(&name, candidate);
        (mistakes <= 1.max(name.len() / 4) || likeness > 0.8).then_some((mistakes, 1.0 - likeness))
    };
    known
        .into_iter()
        .filter_map(|candidate| Some((rank(candidate)?, candidate)))
        .min_by(|((left, left_unlike), _), ((right, right_unlike), _)| {
            left.cmp(right).then(left_unlike.total_cmp(right_unlike))
        })
        .map(|(_, candidate)| candidate)
}

/// `name`, cut after so many characters that nobody typed it.
pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

/// Completes a message on an unknown name.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!("; the nearest known one is `{nearest}`");
    }
    let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() { "; there are none".to_owned() } else { format!("; known here: {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("aip", Some("api"))]
    #[case("wacth", Some("watch"))]
    #[case("API", Some("api"))]
    #[case("stop_garce", Some("stop_grace"))]
    #[case("grace", None)]
    #[case("x", None)]
    #[case("", None)]
    #[case("redis", None)]
    fn the_one_that_was_probably_meant(#[case] name: &str, #[case] expected: Option<&str>) {
        assert_eq!(nearest(name, ["api", "watch", "watch_ignore", "stop_grace"]), expected);
    }
}

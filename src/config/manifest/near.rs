//! The known name that was probably meant.

/// The one of `known` that is most like `name`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (candidate, likeness(name, candidate)))
        .filter(|(_, likeness)| *likeness > 0.75)
        .max_by(|(_, left), (_, right)| left.total_cmp(right))
        .map(|(candidate, _)| candidate)
}

/// From 0 to 1. Only the first characters of a name count: comparing is quadratic and the name is the user's.
fn likeness(name: &str, candidate: &str) -> f64 {
    let short: String = name.chars().take(64).collect();
    strsim::jaro_winkler(&short.to_lowercase(), candidate)
}

/// ` (…)` that completes a message on an unknown name.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!("; the nearest known one is `{nearest}`");
    }
    let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() { "; there are none".to_owned() } else { format!("; known here: {}", all.join(", ")) }
}

//! The pause between two looks at a condition: the only place where a test lets time pass.

use std::time::Duration;

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Pauses, inside of a loop that waits for a condition with a deadline.
#[expect(clippy::disallowed_methods, reason = "the interval of a wait with a deadline")]
pub(crate) fn pause() {
    std::thread::sleep(INTERVAL);
}

//! Whether another task of `verify` may be started beside those that run.

/// Left to everybody else, in bytes.
const RESERVE: u64 = 256 << 20;

/// What the tasks of one stage may take together, measured before the first of them was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    cpus: usize,
    memory: u64,
}

impl Room {
    /// Room for as many tasks as there are `cpus`, and for what is left of `available` bytes.
    #[must_use]
    pub const fn new(cpus: usize, available: u64) -> Self {
        Self { cpus, memory: available.saturating_sub(RESERVE) }
    }

    /// Whether a task of `next` bytes may start beside tasks that announced `running` bytes each, while `available`
    /// bytes are there now. What runs may not yet have taken what it announced, so both are asked: the sum of what was
    /// announced, and what is really there. One task always may: waiting would not make more room.
    #[must_use]
    pub fn admits(&self, running: &[u64], next: u64, available: u64) -> bool {
        if running.is_empty() {
            return true;
        }
        let announced = running.iter().fold(next, |sum, memory| sum.saturating_add(*memory));
        running.len() < self.cpus && announced <= self.memory && next <= available.saturating_sub(RESERVE)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const G: u64 = 1 << 30;

    #[rstest]
    // One always.
    #[case(1, 0, &[], 64 * G, 0, true)]
    // Cores.
    #[case(2, 64 * G, &[G], G, 64 * G, true)]
    #[case(2, 64 * G, &[G, G], G, 64 * G, false)]
    // Announced, though not taken yet.
    #[case(8, 9 * G, &[4 * G], 4 * G, 9 * G, true)]
    #[case(8, 9 * G, &[4 * G, 4 * G], 4 * G, 9 * G, false)]
    #[case(8, 8 * G, &[4 * G], 4 * G, 8 * G, false)]
    // Taken by others meanwhile.
    #[case(8, 64 * G, &[G], 4 * G, 4 * G, false)]
    #[case(8, u64::MAX, &[u64::MAX], u64::MAX, u64::MAX, false)]
    fn another_task_needs_a_core_and_memory(
        #[case] cpus: usize,
        #[case] before: u64,
        #[case] running: &[u64],
        #[case] next: u64,
        #[case] now: u64,
        #[case] expected: bool,
    ) {
        assert_eq!(Room::new(cpus, before).admits(running, next, now), expected);
    }
}

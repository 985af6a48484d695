//! Which way of `CREATE DATABASE … TEMPLATE` is fastest here.
//!
//! That depends on `fsync`, on the disk and on the size (docs/design/postgres.md has figures): copying through the WAL
//! costs little to begin with and much a megabyte, copying files the other way round. So every way is measured at two
//! sizes, and the line through both predicts the time for any size.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A way to copy a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Block by block through the WAL: `STRATEGY WAL_LOG`, the server's default.
    WalLog,
    /// File by file between two checkpoints: `STRATEGY FILE_COPY`.
    FileCopy,
    /// The same with reflinks: `file_copy_method = clone`, PostgreSQL 18 on btrfs, XFS and the like.
    FileClone,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WalLog, Self::FileCopy, Self::FileClone];

    /// The value for `STRATEGY`.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::WalLog => "WAL_LOG",
            Self::FileCopy | Self::FileClone => "FILE_COPY",
        }
    }

    /// The setting that has to be `clone` in the session, if any.
    #[must_use]
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::FileClone => Some("file_copy_method"),
            Self::WalLog | Self::FileCopy => None,
        }
    }
}

/// Another strategy than the default has to take less than this part of its time: copying files makes every session
/// wait for two checkpoints, and a probe is not exact.
const WORTH_IT: f64 = 0.8;

/// How long one strategy took at two sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The strategy.
    pub strategy: Strategy,
    /// Time for a database of [`CloneCosts::small_bytes`].
    pub small: Duration,
    /// Time for a database of [`CloneCosts::large_bytes`].
    pub large: Duration,
}

/// What a probe found; empty when nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloneCosts {
    /// Size of the smaller database that was cloned.
    pub small_bytes: u64,
    /// Size of the larger one.
    pub large_bytes: u64,
    /// One entry a strategy that works here.
    pub measured: Vec<Measured>,
}

impl CloneCosts {
    /// The time that `measured` predicts for a database of `bytes`.
    fn predict(&self, measured: &Measured, bytes: u64) -> f64 {
        let (small, large) = (measured.small.as_secs_f64(), measured.large.as_secs_f64());
        let span = as_f64(self.large_bytes) - as_f64(self.small_bytes);
        if span <= 0.0 {
            return large;
        }
        // Noise may turn the line downwards; a bigger database is never faster.
        let slope = ((large - small) / span).max(0.0);
        // Below the smaller size the fixed price is all there is.
        small + slope * (as_f64(bytes) - as_f64(self.small_bytes)).max(0.0)
    }

    /// The fastest strategy for a database of `bytes`; the server's default when nothing was measured, or the gain
    /// would be small.
    #[must_use]
    pub fn choose(&self, bytes: u64) -> Strategy {
        let price = |measured: &Measured| {
            let handicap = if measured.strategy == Strategy::WalLog { WORTH_IT } else { 1.0 };
            self.predict(measured, bytes) * handicap
        };
        self.measured
            .iter()
            .min_by(|a, b| price(a).total_cmp(&price(b)))
            .map_or(Strategy::WalLog, |measured| measured.strategy)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size is only compared; 52 bits of it are plenty")]
const fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn costs(entries: &[(Strategy, u64, u64)]) -> CloneCosts {
        CloneCosts {
            small_bytes: 7 * MIB,
            large_bytes: 27 * MIB,
            measured: entries
                .iter()
                .map(|&(strategy, small, large)| Measured {
                    strategy,
                    small: Duration::from_millis(small),
                    large: Duration::from_millis(large),
                })
                .collect(),
        }
    }

    #[rstest]
    // fsync on: the WAL is cheaper until its price a megabyte outweighs the files' fixed one.
    #[case(&[(Strategy::WalLog, 50, 200), (Strategy::FileCopy, 400, 450)], 50, Strategy::WalLog)]
    #[case(&[(Strategy::WalLog, 50, 200), (Strategy::FileCopy, 400, 450)], 400, Strategy::FileCopy)]
    #[case(&[(Strategy::WalLog, 50, 200), (Strategy::FileCopy, 30, 80)], 1, Strategy::FileCopy)]
    #[case(&[(Strategy::WalLog, 50, 200), (Strategy::FileClone, 90, 91)], 50, Strategy::FileClone)]
    // Too little to be gained.
    #[case(&[(Strategy::WalLog, 50, 200), (Strategy::FileCopy, 45, 180)], 50, Strategy::WalLog)]
    // A slope below nought is noise.
    #[case(&[(Strategy::WalLog, 50, 40), (Strategy::FileCopy, 20, 20)], 5000, Strategy::FileCopy)]
    #[case(&[], 50, Strategy::WalLog)]
    fn the_cheaper_line_wins(
        #[case] entries: &[(Strategy, u64, u64)],
        #[case] mebibytes: u64,
        #[case] expected: Strategy,
    ) {
        assert_eq!(costs(entries).choose(mebibytes * MIB), expected);
    }
}

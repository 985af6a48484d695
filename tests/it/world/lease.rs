//! Ports that are leased under a lock, below the kernel's ephemeral range, never bound to 0 and released.

use std::{fs::File, net::TcpListener, os::unix::fs::PermissionsExt as _};

/// First port of the first block.
const FIRST: u16 = 20_000;
/// Ports of one block.
const BLOCK: u16 = 200;
/// Blocks there are: the last ends at 32,000, below the ephemeral range at 32,768.
const BLOCKS: u16 = 60;

/// A block of 200 ports, this process's alone until dropped.
pub(crate) struct Ports {
    first: u16,
    _lock: File,
}

impl Ports {
    /// Takes the first block that nobody has leased and nobody listens on.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn take() -> Self {
        let directory = std::path::Path::new("/tmp/agent-harness-test-ports");
        if fs_err::create_dir(directory).is_ok() {
            fs_err::set_permissions(directory, std::fs::Permissions::from_mode(0o1777)).expect("chmod of the leases");
        }
        (0..BLOCKS).find_map(|block| Self::try_take(directory, block)).expect("a block of free ports")
    }

    fn try_take(directory: &std::path::Path, block: u16) -> Option<Self> {
        let path = directory.join(block.to_string());
        let file = File::options().create(true).truncate(false).write(true).open(&path).ok()?;
        // Another user's lock file cannot be opened: that block is theirs.
        file.try_lock().ok()?;
        let first = FIRST + block * BLOCK;
        let free = (first..first + BLOCK).step_by(10).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        free.then_some(Self { first, _lock: file })
    }

    /// The port number `index` of the block. By convention 0–5 are the infra's (see `World::harness`), 6–19 are free
    /// for a test's own servers, and bases of agent ports start at 20 (`base + 10 * id`, ids 1 to 15).
    ///
    /// # Panics
    /// When the block has no such port.
    pub(crate) fn at(&self, index: u16) -> u16 {
        assert!(index < BLOCK, "a block has {BLOCK} ports");
        self.first + index
    }
}

//! What the kernel must give: running, finding, measuring and ending processes. Another platform is one more folder here.

pub mod capture;
pub mod cgroup;
pub mod cmd;
pub mod follow;
pub mod group;
pub mod identity;
pub mod inotify;
pub mod logs;
pub mod machine;
pub mod memory;
pub mod named;
pub mod piped;
pub mod probe;
pub mod reap;
pub mod replace;
pub mod sockets;
pub mod spawn;
pub mod usage;

mod error;

pub use error::ProcessError;

//! The supervisor itself: `agent-harness supervise <stack>`.

pub mod adopt;
pub mod keeper;
pub mod server;
pub mod set;
pub mod unit;
pub mod watch;

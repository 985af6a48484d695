//! Takes orders from a blocking stream without ever waiting for more of one.

use std::os::unix::net::UnixStream;

use rustix::net::RecvFlags;

use super::protocol::Order;

/// What was received and is not a whole line yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// The orders that are there, and whether the stream is still open.
    pub(super) fn read(&mut self, stream: &UnixStream) -> (Vec<Order>, bool) {
        let mut piece = vec![0; 4096];
        let open = loop {
            match rustix::net::recv(stream, &mut piece[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => break false,
                Ok((read, _)) => self.0.extend_from_slice(&piece[..read]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break true,
                Err(_) => break false,
            }
        };
        let mut orders = Vec::new();
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            // Our own supervisor of the same protocol sends nothing else than orders.
            orders.extend(serde_json::from_slice::<Order>(&self.0[..end]));
            self.0.drain(..=end);
        }
        self.0.shrink_to(4096);
        (orders, open)
    }
}

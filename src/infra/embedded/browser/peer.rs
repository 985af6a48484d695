//! Who is at the other end of a loopback connection. The browser reads this user's files, so another user of the
//! machine may not drive it; the kernel knows whose socket it is.

use std::net::{IpAddr, SocketAddr};

/// The user at `peer`, when that is neither we nor root. Where the kernel does not tell, nobody is refused.
pub(super) fn stranger(peer: SocketAddr, port: u16) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let IpAddr::V4(address) = peer.ip() else { return None };
    let user = owner(&table, (address.octets(), peer.port()), port)?;
    (user != 0 && user != rustix::process::geteuid().as_raw()).then_some(user)
}

/// The uid of the established socket at `local` that is connected to our `port`.
fn owner(table: &str, local: ([u8; 4], u16), port: u16) -> Option<u32> {
    // The kernel prints the address as the number it is in memory, so on little-endian machines backwards.
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(local.0), local.1);
    let remote = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (at, to, uid) = (fields.get(1)?, fields.get(2)?, fields.get(7)?);
        (*at == local && to.ends_with(&remote)).then(|| uid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_owner_is_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             1: 0100007F:3A98 0100007F:32C9 01 00000000:00000000 00:00000000 00000000  1001        0 5 1 0\n\
             2: 0100007F:32C9 0100007F:3A98 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0\n";
        assert_eq!(owner(table, ([127, 0, 0, 1], 0x3A98), 13001), Some(1001));
        assert_eq!(owner(table, ([127, 0, 0, 1], 0x3A99), 13001), None);
    }
}

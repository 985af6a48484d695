//! Who listens on a TCP port, on any address.
//!
//! The kernel tells every socket's inode and user to everybody, but whose it is only by the open files of a process,
//! which it hides from other users.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is bound to.
    pub addr: SocketAddr,
    /// The kernel's number of the socket.
    pub inode: u64,
    /// The user who made it.
    pub uid: u32,
    /// The oldest process that holds it; `None` when the kernel hides it.
    pub owner: Option<Owner>,
    /// All processes that hold it, by pid.
    pub pids: Vec<u32>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its pid.
    pub pid: u32,
    /// The start of its command line, or its short name.
    pub name: String,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} (pid {}) on {}", owner.name, owner.pid, self.addr),
            None => match user_name(self.uid) {
                Some(user) => write!(f, "a process of user {user} on {}", self.addr),
                None => write!(f, "a process of uid {} on {}", self.uid, self.addr),
            },
        }
    }
}

/// The command that shows who holds `port` where the kernel hides it from us.
#[must_use]
pub fn reveal_command(port: u16) -> String {
    format!("sudo ss -ltnp 'sport = :{port}'")
}

/// Everybody who listens on `port`, by any address.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    Ok(listeners_of(&[port])?.remove(&port).unwrap_or_default())
}

/// Everybody who listens on one of `ports`; the kernel's tables are read once. Ports that nobody listens on are left
/// out.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn listeners_of(ports: &[u16]) -> io::Result<BTreeMap<u16, Vec<Listener>>> {
    listeners_among(ports, &BTreeSet::new())
}

/// As [`listeners_of`], but looks at the processes `expected` first, and at all others only when a socket is held by
/// none of them: a process of `expected` holds its sockets, whoever else may have inherited them.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn listeners_among(ports: &[u16], expected: &BTreeSet<u32>) -> io::Result<BTreeMap<u16, Vec<Listener>>> {
    let mut found: Vec<Listener> = table()?.into_iter().filter(|socket| ports.contains(&socket.addr.port())).collect();
    let inodes: BTreeSet<u64> = found.iter().map(|socket| socket.inode).collect();
    let mut held = holders(expected.iter().copied(), &inodes);
    let unknown: BTreeSet<u64> = inodes.into_iter().filter(|inode| !held.contains_key(inode)).collect();
    if !unknown.is_empty() {
        held.append(&mut holders(all_pids()?, &unknown));
    }
    let mut result: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    for mut socket in found.drain(..) {
        socket.pids = held.get(&socket.inode).cloned().unwrap_or_default();
        socket.owner = socket.pids.first().map(|&pid| Owner { pid, name: process_name(pid) });
        result.entry(socket.addr.port()).or_default().push(socket);
    }
    Ok(result)
}

/// The ports of `ports` that somebody listens on, without looking for whom: cheap.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn taken(ports: &[u16]) -> io::Result<BTreeSet<u16>> {
    Ok(table()?.iter().map(|socket| socket.addr.port()).filter(|port| ports.contains(port)).collect())
}

/// Whether there is a listener, and every one is held by processes of `pids` only.
#[must_use]
pub fn all_belong_to(listeners: &[Listener], pids: &BTreeSet<u32>) -> bool {
    let ours = |socket: &Listener| !socket.pids.is_empty() && socket.pids.iter().all(|pid| pids.contains(pid));
    !listeners.is_empty() && listeners.iter().all(ours)
}

/// The name of the user `uid` by `/etc/passwd`.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    let text = fs_err::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn table() -> io::Result<Vec<Listener>> {
    let mut sockets = parse_table(&fs_err::read_to_string("/proc/net/tcp")?);
    match fs_err::read_to_string("/proc/net/tcp6") {
        Ok(text) => sockets.extend(parse_table(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

/// The listening sockets of `/proc/net/tcp` or `tcp6`.
fn parse_table(text: &str) -> Vec<Listener> {
    /// `TCP_LISTEN` of the kernel's `net/tcp_states.h`.
    const LISTEN: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[_, local, _, LISTEN, _, _, _, uid, _, inode, ..] = fields.as_slice() else { return None };
        Some(Listener {
            addr: parse_address(local)?,
            inode: inode.parse().ok()?,
            uid: uid.parse().ok()?,
            owner: None,
            pids: Vec::new(),
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// `0100007F:0BC2`: the address as 32-bit words in the machine's byte order, the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |start: usize| {
        let word = u32::from_str_radix(address.get(start..start + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

fn all_pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids)
}

/// Which of `pids` hold which of `inodes`. Processes that ended or are hidden from us hold nothing.
fn holders(pids: impl IntoIterator<Item = u32>, inodes: &BTreeSet<u64>) -> BTreeMap<u64, Vec<u32>> {
    let mut result: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pid in pids {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for link in entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()) {
            let Some(inode) = link.to_str().and_then(socket_inode).filter(|inode| inodes.contains(inode)) else {
                continue;
            };
            let pids = result.entry(inode).or_default();
            if pids.last() != Some(&pid) {
                pids.push(pid);
            }
        }
    }
    result
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The start of a process's command line, or its short name; empty when it ended.
#[must_use]
pub fn process_name(pid: u32) -> String {
    /// Enough to tell `node …/vite` from `node …/index.ts`.
    const LENGTH: usize = 80;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        line.split(|&byte| byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    let mut text = words.join(" ").replace(char::is_control, " ");
    if text.is_empty() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        text.push_str(name.trim());
    }
    if text.chars().count() > LENGTH {
        text = text.chars().take(LENGTH - 1).chain(['…']).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0100007F:0BC2", Some("127.0.0.1:3010"))]
    #[case("00000000:1F40", Some("0.0.0.0:8000"))]
    #[case("00000000000000000000000001000000:0BC2", Some("[::1]:3010"))]
    #[case("0000000000000000FFFF00000100007F:0BC2", Some("[::ffff:127.0.0.1]:3010"))]
    #[case("0100007F", None)]
    #[case("01:02", None)]
    fn addresses_of_the_kernel(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(parse_address(text), expected.map(|text| text.parse().expect("an address")));
    }

    #[test]
    fn only_listening_sockets_are_taken() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:0BC2 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:0BC2 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 0 10 -1\n";
        let sockets = parse_table(table);
        assert_eq!(sockets.len(), 1);
        assert_eq!((sockets[0].inode, sockets[0].uid), (4711, 1000));
    }

    #[test]
    fn a_socket_belongs_to_a_stack_only_when_all_its_holders_do() {
        let socket = |pids: &[u32]| Listener {
            addr: "127.0.0.1:1".parse().expect("an address"),
            inode: 1,
            uid: 0,
            owner: None,
            pids: pids.to_vec(),
        };
        let ours = BTreeSet::from([10, 11]);
        assert!(all_belong_to(&[socket(&[10]), socket(&[10, 11])], &ours));
        assert!(!all_belong_to(&[socket(&[10]), socket(&[12])], &ours));
        assert!(!all_belong_to(&[socket(&[10, 12])], &ours));
        assert!(!all_belong_to(&[socket(&[])], &ours), "a hidden owner is not ours");
        assert!(!all_belong_to(&[], &ours), "nobody listens");
    }
}

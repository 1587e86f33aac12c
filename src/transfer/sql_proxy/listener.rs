//! Who listens at an address. Another process may take it in the moment in which the proxy starts, and
//! must not be taken for the proxy.

use std::path::Path;

/// Whose a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Ours,
    Other,
    /// The system does not say.
    Unknown,
}

#[cfg(target_os = "linux")]
pub use linux::{owner_of_port, owner_of_socket};

#[cfg(not(target_os = "linux"))]
pub fn owner_of_port(_: u16, _: u32) -> Owner {
    Owner::Unknown
}

#[cfg(not(target_os = "linux"))]
pub fn owner_of_socket(_: &Path, _: u32) -> Owner {
    Owner::Unknown
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::net::sockopt::socket_peercred;
    use rustix::process::getpgid;

    use super::{Owner, Path};

    /// Whether a process of the group has a socket that listens on the port.
    pub fn owner_of_port(port: u16, group: u32) -> Owner {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        let text: String =
            tables.iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
        let inodes: Vec<&str> =
            text.lines().filter_map(|line| listening_inode(line, port)).collect();
        if inodes.is_empty() {
            return Owner::Unknown;
        }
        let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
        let is_one = |link: &Path| sockets.iter().any(|socket| link == Path::new(socket));
        let mut links = processes_of(group).flat_map(|pid| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            open.filter_map(|entry| fs::read_link(entry.path()).ok())
        });
        if links.any(|link| is_one(&link)) { Owner::Ours } else { Owner::Other }
    }

    /// Whether the process that listens on the socket is of the group.
    pub fn owner_of_socket(socket: &Path, group: u32) -> Owner {
        let connected = std::os::unix::net::UnixStream::connect(socket);
        let Ok(Ok(peer)) = connected.map(socket_peercred) else { return Owner::Unknown };
        match getpgid(Some(peer.pid)) {
            Ok(of) if u32::try_from(of.as_raw_nonzero().get()) == Ok(group) => Owner::Ours,
            Ok(_) => Owner::Other,
            Err(_) => Owner::Unknown,
        }
    }

    /// The inode of a line of the table of sockets, if it listens on the port.
    fn listening_inode(line: &str, port: u16) -> Option<&str> {
        const LISTENS: &str = "0A";
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, hexadecimal) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(hexadecimal, 16) == Ok(port);
        (is_it && *fields.get(3)? == LISTENS).then(|| fields.get(9).copied()).flatten()
    }

    /// The processes of a group.
    fn processes_of(group: u32) -> impl Iterator<Item = u32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        all.filter(move |pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name, in parentheses, may have spaces; then state, parent and group follow.
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            after.split_whitespace().nth(2).and_then(|of| of.parse().ok()) == Some(group)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_listener_belongs_to_its_group() {
            let own = getpgid(None).expect("a group").as_raw_nonzero().get().unsigned_abs();
            let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let number = port.local_addr().expect("an address").port();
            assert_eq!(owner_of_port(number, own), Owner::Ours);
            assert_eq!(owner_of_port(number, u32::MAX), Owner::Other);
            let folder = tempfile::tempdir().expect("a folder");
            let socket = folder.path().join("socket");
            let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
            assert_eq!(owner_of_socket(&socket, own), Owner::Ours);
            assert_eq!(owner_of_socket(&socket, u32::MAX), Owner::Other);
        }
    }
}

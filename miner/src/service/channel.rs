//! The socket of a service manager: datagrams of lines, at a path or at an abstract name.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where a service manager listens.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Channel {
    /// The socket that `NOTIFY_SOCKET` names: `/a/path`, or `@name` for an abstract one.
    ///
    /// # Errors
    /// When the text names none, or the system gives no socket.
    pub(super) fn open(text: &str) -> io::Result<Self> {
        let address = match text.strip_prefix('@') {
            Some(name) => of_abstract_name(name)?,
            None if text.starts_with('/') => SocketAddr::from_pathname(text)?,
            None => {
                let words = "it is neither a path nor an abstract name";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
            }
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that is busy must not hold up the engine; it is told a second later.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Sends one message. The socket is named anew each time, since a manager may have been started again.
    ///
    /// # Errors
    /// When nobody took all of it.
    pub(super) fn send(&self, text: &str) -> io::Result<()> {
        match self.socket.send_to_addr(text.as_bytes(), &self.address)? {
            sent if sent == text.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

#[cfg(target_os = "linux")]
fn of_abstract_name(name: &str) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn of_abstract_name(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        Channel::open(path.to_str().unwrap()).unwrap().send("READY=1\n").unwrap();
        let mut bytes = [0; 64];
        let length = listener.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
        #[cfg(target_os = "linux")]
        {
            let name = format!("rminer-test-{}", std::process::id());
            let listener = UnixDatagram::bind_addr(&of_abstract_name(&name).unwrap()).unwrap();
            Channel::open(&format!("@{name}")).unwrap().send("WATCHDOG=1\n").unwrap();
            let length = listener.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], b"WATCHDOG=1\n");
        }
    }

    #[test]
    fn other_texts_and_dead_sockets_are_errors() {
        assert!(Channel::open("vsock:2:1").is_err() && Channel::open("").is_err());
        assert!(Channel::open(&format!("/{}", "x".repeat(200))).is_err());
        let channel = Channel::open("/nonexistent/notify").unwrap();
        assert!(channel.send("READY=1\n").is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let channel = Channel::open(path.to_str().unwrap()).unwrap();
        let refused = (0..100_000).find_map(|_| channel.send("WATCHDOG=1\n").err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}

//! One TCP connection to the first of several addresses that answers.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::TcpReport;

/// For one address.
const PATIENCE: Duration = Duration::from_secs(5);
/// An address that has not answered by then gets company (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Faults that an error lists; the rest is counted.
const MAX_LISTED: usize = 3;

/// A silent connection is probed after this time, …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// … this often, …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// … and given up after this many probes.
const KEEPALIVE_PROBES: u32 = 3;
/// Sent bytes that nobody acknowledges end the connection after this time.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// No address answered.
#[derive(Debug)]
pub struct TcpError {
    /// What each address did.
    pub faults: Vec<TcpFault>,
}

/// What one address did instead of answering.
#[derive(Debug)]
pub struct TcpFault {
    /// The address.
    pub address: IpAddr,
    /// What happened.
    pub fault: io::Error,
    /// When, from the start of the try.
    pub after: Duration,
}

/// Connects to the first of `addresses` that answers, starting with the first and adding one more every
/// [`STAGGER`] or as soon as one fails.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> Result<(TcpStream, TcpReport), TcpError> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut faults = Vec::new();
    loop {
        match waiting.next() {
            Some(address) => {
                running.spawn(attempt(address));
            }
            None if running.is_empty() => return Err(TcpError { faults }),
            None => {}
        }
        tokio::select! {
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(fault)) => faults.push(fault),
                Err(_) => {}
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<(TcpStream, TcpReport), TcpFault> {
    let started = Instant::now();
    let connected = match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let took = started.elapsed();
    match connected {
        Ok(stream) => {
            set_options(&stream);
            Ok((stream, TcpReport { address, took }))
        }
        Err(fault) => Err(TcpFault { address: address.ip(), fault, after: took }),
    }
}

/// A system that lacks one of these still has a connection, so failures do not matter.
fn set_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// "192.0.2.10 refused the connection after 21 ms; 192.0.2.11 did not answer within 5 s"
impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, fault) in self.faults.iter().take(MAX_LISTED).enumerate() {
            let separator = if count == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        match self.faults.len() {
            0 => f.write_str("no address could be tried"),
            1..=MAX_LISTED => Ok(()),
            all => write!(f, "; and {} more addresses failed", all - MAX_LISTED),
        }
    }
}

impl fmt::Display for TcpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, fault, after } = self;
        match fault.kind() {
            io::ErrorKind::ConnectionRefused => {
                write!(f, "{address} refused the connection after {} ms", after.as_millis())
            }
            io::ErrorKind::TimedOut => write!(f, "{address} did not answer within {} s", after.as_secs()),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                write!(f, "{address} is out of reach: there is no route to it")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "{address} is forbidden by a firewall of this machine")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{address} cannot be reached: this machine has no address or port left for it")
            }
            _ => write!(f, "{address} failed after {} ms: {}", after.as_millis(), system_words(fault)),
        }
    }
}

/// An I/O error without the "(os error 104)" behind it.
pub(crate) fn system_words(fault: &io::Error) -> String {
    let words = fault.to_string();
    let plain = words.split(" (os error").next().unwrap_or(&words);
    crate::text::clean(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn free_port() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn the_first_that_answers_wins() {
        let dead = free_port().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let (stream, report) = connect(vec![dead, alive]).await.unwrap();
        assert_eq!(report.address, alive);
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }

    #[tokio::test]
    async fn an_address_that_is_silent_does_not_hold_up_the_next() {
        // A listener that never accepts: once its queue is full the kernel leaves further connects unanswered.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        let mut fillers = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(silent)).await
        {
            fillers.push(stream);
            assert!(fillers.len() < 64, "the queue never fills");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let started = Instant::now();
        let (_, report) = connect(vec![silent, alive]).await.unwrap();
        assert_eq!(report.address, alive);
        assert!(started.elapsed() < PATIENCE, "it did not wait for the silent one to time out");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn options_are_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stream, _) = connect(vec![listener.local_addr().unwrap()]).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }

    #[tokio::test]
    async fn refusals_are_listed() {
        let (first, second) = (free_port().await, free_port().await);
        let error = connect(vec![first, second]).await.unwrap_err();
        assert_eq!(error.faults.len(), 2);
        let shown = error.to_string();
        assert!(shown.starts_with("127.0.0.1 refused the connection after "), "{shown}");
        assert_eq!(shown.matches("refused").count(), 2, "{shown}");
        let many = TcpError { faults: (0..5).map(|_| fault(io::ErrorKind::TimedOut)).collect() };
        assert!(many.to_string().ends_with("; and 2 more addresses failed"), "{many}");
    }

    #[test]
    fn faults_read_well() {
        let shown = |kind| fault(kind).to_string();
        assert_eq!(shown(io::ErrorKind::TimedOut), "192.0.2.1 did not answer within 5 s");
        assert_eq!(
            shown(io::ErrorKind::HostUnreachable),
            "192.0.2.1 is out of reach: there is no route to it"
        );
        assert_eq!(system_words(&io::Error::from_raw_os_error(104)), "Connection reset by peer");
    }

    fn fault(kind: io::ErrorKind) -> TcpFault {
        TcpFault { address: IpAddr::from([192, 0, 2, 1]), fault: kind.into(), after: Duration::from_secs(5) }
    }
}

//! The fault proxy between a line echo and a client.

#![cfg(feature = "shell")]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rminer_pool::fault_proxy::{FaultProxy, ProxyStats};

/// Long enough for a busy machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough to see that nothing comes.
const A_WHILE: Duration = Duration::from_millis(100);

/// Sends every line back twice, in two writes. Its threads end with the test process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    for _ in 0..2 {
                        if writer.write_all(format!("{line}\n").as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(proxy: &FaultProxy) -> Self {
        Self::connect(proxy).unwrap()
    }

    fn connect(proxy: &FaultProxy) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&proxy.addr(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn echoes(&mut self, line: &str) {
        self.send(line);
        assert_eq!((self.line().trim(), self.line().trim()), (line, line));
    }

    /// What is still to be read, and how it ends.
    fn rest(&mut self) -> (Vec<u8>, Option<ErrorKind>) {
        let mut bytes = Vec::new();
        let ended = self.0.read_to_end(&mut bytes);
        (bytes, ended.err().map(|error| error.kind()))
    }

    fn hears_nothing(&mut self) {
        self.0.get_ref().set_read_timeout(Some(A_WHILE)).unwrap();
        let error = self.0.read_exact(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

fn proxy() -> FaultProxy {
    FaultProxy::spawn_thread(echo()).unwrap()
}

fn tell(proxy: &FaultProxy, command: &str) {
    proxy.command(command.parse().unwrap());
}

#[test]
fn passes_and_counts() {
    let mut proxy = proxy();
    let mut client = Client::new(&proxy);
    client.echoes("abc");
    assert_eq!(proxy.stats(), ProxyStats { open: 1, connects: 1, bytes_up: 4, bytes_down: 8 });
    let address = proxy.addr();
    proxy.stop();
    assert_eq!(client.rest(), (vec![], None));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn slow_modes_lose_nothing() {
    let proxy = proxy();
    let mut client = Client::new(&proxy);
    for (mode, at_least) in
        [("delay 30", 60), ("delay 30 20", 60), ("rate 200", 60), ("chop 1", 30), ("glue 30", 60)]
    {
        tell(&proxy, mode);
        let start = Instant::now();
        client.echoes("0123456789");
        assert!(
            start.elapsed() >= Duration::from_millis(at_least),
            "{mode}: a lower bound of the sleeps in it"
        );
    }
}

#[test]
fn chop_tears_lines_apart_and_glue_joins_them() {
    let proxy = proxy();
    let mut client = Client::new(&proxy);
    tell(&proxy, "glue 1000");
    client.send("ab");
    let mut buffer = [0; 1000];
    assert_eq!(client.0.get_mut().read(&mut buffer).unwrap(), 6, "both lines at once");
    tell(&proxy, "chop 1");
    let long = "x".repeat(200);
    client.send(&long);
    assert!(client.0.get_mut().read(&mut buffer).unwrap() < 200, "the pieces come apart in time");
}

#[test]
fn black_holes() {
    let proxy = proxy();
    let mut client = Client::new(&proxy);
    client.echoes("before");
    tell(&proxy, "stall");
    client.send("held");
    client.hears_nothing();
    tell(&proxy, "ok");
    assert_eq!((client.line().trim(), client.line().trim()), ("held", "held"), "held, not lost");

    tell(&proxy, "drop-up");
    client.send("lost");
    client.hears_nothing();
    tell(&proxy, "drop-down");
    client.send("lost too");
    client.hears_nothing();
    tell(&proxy, "ok");
    client.echoes("after");

    tell(&proxy, "mute");
    let up = proxy.stats().bytes_up;
    let mut deaf = Client::new(&proxy);
    deaf.send("hello");
    deaf.hears_nothing();
    assert_eq!(proxy.stats().bytes_up, up);
    client.echoes("old connections go on");
}

#[test]
fn refusals() {
    let proxy = proxy();
    let mut old = Client::new(&proxy);
    old.echoes("a");
    tell(&proxy, "refuse");
    assert_eq!(Client::new(&proxy).rest(), (vec![], None));
    old.echoes("old connections go on");
    tell(&proxy, "ok");
    tell(&proxy, "down");
    let refused = |()| {
        TcpStream::connect(proxy.addr()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    let start = Instant::now();
    while !refused(()) {
        assert!(start.elapsed() < PATIENCE);
    }
    old.echoes("still");
    tell(&proxy, "up");
    while refused(()) {
        assert!(start.elapsed() < PATIENCE);
    }
    Client::new(&proxy).echoes("again");
}

#[test]
fn endings() {
    let proxy = proxy();
    for (command, want) in [("reset", Some(ErrorKind::ConnectionReset)), ("close", None)] {
        let mut client = Client::new(&proxy);
        client.echoes("a");
        tell(&proxy, command);
        assert_eq!(client.rest(), (vec![], want), "{command}");
    }
    for (command, bytes, want) in [
        ("bytes 3", &b"abc"[..], Some(ErrorKind::ConnectionReset)),
        ("close-bytes 3", b"abc", None),
        ("close-bytes 0", b"", None),
        ("lines 1", b"abcd\n", Some(ErrorKind::ConnectionReset)),
        ("close-lines 1", b"abcd\n", None),
        ("close-lines 2", b"abcd\nabcd\n", None),
        ("close-lines 0", b"", None),
    ] {
        tell(&proxy, "ok");
        let mut client = Client::new(&proxy);
        client.echoes("before");
        tell(&proxy, command);
        client.send("abcd");
        let (got, ended) = client.rest();
        assert_eq!(ended, want, "{command}");
        // A reset may overtake bytes that were not read yet.
        assert!(got == bytes || (want.is_some() && bytes.starts_with(&got)), "{command}: {got:?}");
    }
}

#[test]
fn half_junk_and_corrupt() {
    let proxy = proxy();
    let mut client = Client::new(&proxy);
    client.echoes("a");
    tell(&proxy, "junk oops\\x01");
    assert_eq!(client.line(), "oops\u{1}\n");
    tell(&proxy, "corrupt 1");
    client.send("abc");
    assert_eq!(client.0.read_until(b'\n', &mut Vec::new()).unwrap(), 4);
    let mut client = Client::new(&proxy);
    client.send("abc");
    let mut line = Vec::new();
    client.0.read_until(b'\n', &mut line).unwrap();
    assert_eq!(line, [b'a', !b'b', b'c', b'\n']);
    assert_eq!(client.line(), "abc\n", "only the one byte");
    tell(&proxy, "half");
    assert_eq!(client.rest(), (vec![], None));
    let up = proxy.stats().bytes_up;
    client.send("the other way goes on");
    let start = Instant::now();
    while proxy.stats().bytes_up == up {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn another_target_and_none() {
    let proxy = proxy();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    proxy.set_target(gone);
    // On a busy machine the reset is there before the connection is reported.
    let (bytes, ended) = match Client::connect(&proxy) {
        Ok(mut client) => client.rest(),
        Err(error) => (vec![], Some(error.kind())),
    };
    assert_eq!((bytes, ended), (vec![], Some(ErrorKind::ConnectionReset)));
    proxy.set_target(echo());
    Client::new(&proxy).echoes("a");
}

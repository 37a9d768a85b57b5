use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use axum::body::Bytes;
use axum::routing::{get, post};
use secrecy::SecretString;

use super::*;
use crate::api::Token;

const TOKEN: &str = "0123456789abcdef";
/// Longest wait of a test; nothing is measured by it.
const LONG: Duration = Duration::from_secs(30);

fn server(patience: Patience) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let access = Access {
        bind: listener.local_addr().unwrap(),
        token: Some(Token::new(SecretString::from(TOKEN))),
        pairing: Arc::default(),
        origins: Vec::new(),
        hosts: Vec::new(),
    };
    let large = || async { vec![b'x'; 1 << 20] };
    let echo = |body: Bytes| async move { body };
    let router = Router::new().route("/large", get(large)).route("/json_rpc", post(echo));
    Server::start(listener, router, access, patience).unwrap()
}

fn patient() -> Patience {
    Patience { head: LONG, body: LONG, answer: LONG }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn order(length: usize) -> String {
    format!(
        "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn a_body_comes_whole_or_is_not_waited_for() {
    let short = Duration::from_millis(50);
    let server = server(Patience { body: short, ..patient() });
    let mut whole = connect(&server);
    whole.write_all(format!("{}{}", order(MAX_BODY_BYTES), "y".repeat(MAX_BODY_BYTES)).as_bytes()).unwrap();
    let answer = read_all(whole);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("yyy"), "{answer}");
    let mut half = connect(&server);
    half.write_all(format!("{}yyy", order(4)).as_bytes()).unwrap();
    let answer = read_all(half);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"body-late\""), "{answer}");
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let server = server(Patience { head: Duration::from_millis(50), ..patient() });
    for start in ["", "GET /large HTTP/1.1\r\nHost: loc"] {
        let mut slow = connect(&server);
        slow.write_all(start.as_bytes()).unwrap();
        assert_eq!(read_all(slow), "");
    }
}

#[test]
fn who_takes_no_answer_is_left() {
    let server = server(Patience { answer: Duration::from_millis(50), ..patient() });
    let mut deaf = connect(&server);
    deaf.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let end = Instant::now() + LONG;
    // More answers than the system keeps of them. In the end nobody hears the requests any more.
    let closed = loop {
        match deaf.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") {
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break true,
            _ if Instant::now() > end => break false,
            _ => {}
        }
    };
    assert!(closed);
    let mut other = connect(&server);
    other.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_all(other).len() > 1 << 20, "who reads has all of it");
}

#[test]
fn the_end_does_not_wait_for_clients() {
    let server = server(patient());
    let address = server.address();
    let held: Vec<TcpStream> = (0..5).map(|_| connect(&server)).collect();
    drop(server);
    for stream in held {
        assert_eq!(read_all(stream), "");
    }
    assert!(TcpStream::connect(address).is_err());
}

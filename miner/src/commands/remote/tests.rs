use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

#[test]
fn hosts_are_addresses_or_names() {
    for (text, host, port) in [
        ("127.0.0.1:4000", "127.0.0.1", 4000),
        ("127.0.0.1", "127.0.0.1", PORT),
        ("[::1]:80", "::1", 80),
        ("::1", "::1", PORT),
        ("rig2", "rig2", PORT),
        ("rig-2.lan:4078", "rig-2.lan", 4078),
        ("http://rig2:4077/", "rig2", 4077),
    ] {
        assert_eq!(parse_host(text).unwrap(), (host.to_owned(), port), "{text}");
    }
    for text in
        ["", ":", "rig2:", "rig2:x", "rig2:0", "a b:1", "x/y", "me@rig:1", "rig\r\nx:1", "https://rig2"]
    {
        assert!(parse_host(text).is_err(), "{text}");
    }
}

/// Answers one connection after the other with these bytes; gives back what was asked.
fn server(answers: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let asked = answers.into_iter().map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
                let count = stream.read(&mut piece).unwrap();
                if count == 0 {
                    break;
                }
                bytes.extend_from_slice(&piece[..count]);
            }
            // Whoever reads only a part of it may be gone.
            let _gone = stream.write_all(&answer);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        asked.collect()
    });
    (port, thread)
}

fn interface(port: u16, token: Option<&str>) -> Interface {
    Interface { host: "127.0.0.1".into(), port, token: token.map(|token| token.to_owned().into()) }
}

fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len()).into_bytes()
}

fn get(port: u16, token: Option<&str>) -> Result<Bytes, Problem> {
    runtime().unwrap().block_on(interface(port, token).get("/api/v1/status"))
}

fn words(outcome: Result<Bytes, Problem>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn reads_show_the_token_only_where_it_is_asked_for() {
    let refusal = r#"{"error":{"code":"token","message":"reads need the token here","help":""}}"#;
    let (port, asked) =
        server(vec![answer("401 Unauthorized", "", refusal), answer("200 OK", "", r#"{"api":1}"#)]);
    assert_eq!(get(port, Some("sesame-open")).unwrap(), r#"{"api":1}"#);
    let asked = asked.join().unwrap();
    assert!(asked[0].contains(&format!("host: 127.0.0.1:{port}")), "{}", asked[0]);
    assert!(!asked[0].contains("sesame") && asked[1].contains("authorization: Bearer sesame-open"));

    let (port, asked) = server(vec![answer("401 Unauthorized", "", refusal)]);
    let words = words(get(port, None));
    assert!(words.contains("reads need the token here") && words.contains("--token-file"), "{words}");
    asked.join().unwrap();
}

#[test]
fn orders_carry_token_and_body() {
    let (port, asked) = server(vec![answer("200 OK", "", r#"{"text":"paused"}"#)]);
    let body = serde_json::json!({ "for_s": 60 });
    let answer =
        runtime().unwrap().block_on(interface(port, Some("sesame")).post("/api/v1/control/pause", &body));
    assert_eq!(answer.unwrap(), r#"{"text":"paused"}"#);
    let asked = asked.join().unwrap().remove(0);
    assert!(
        asked.starts_with("POST /api/v1/control/pause HTTP/1.1") && asked.contains("Bearer sesame"),
        "{asked}"
    );
}

#[test]
fn every_refusal_has_its_fix() {
    let cases = [
        (
            "403 Forbidden",
            "",
            r#"{"error":{"message":"this Host is not allowed","help":"use 127.0.0.1"}}"#,
            "help: use 127.0.0.1",
        ),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            r#"{"error":{"message":"slower"}}"#,
            "try again in 7 s",
        ),
        (
            "409 Conflict",
            "",
            r#"{"error":{"message":"there is no pool 7","facts":["pool 1  a"],"help":"h"}}"#,
            "pool 1  a",
        ),
        ("404 Not Found", "", "<html>nginx</html>", "another program has this port"),
        ("500 Internal Server Error", "", "", "another program has this port"),
    ];
    for (status, more, body, expected) in cases {
        let (port, asked) = server(vec![answer(status, more, body)]);
        let words = words(get(port, None));
        assert!(words.contains(expected), "{status}: {words}");
        asked.join().unwrap();
    }
}

#[test]
fn other_programs_and_nobody_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let alone = words(get(free, None));
    assert!(alone.contains("error[no-miner]") && alone.contains("--api-bind off"), "{alone}");
    for talk in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"", b"\x15\x03\x01\x00\x02\x02\x28"] {
        let (port, asked) = server(vec![talk.to_vec()]);
        let stranger = words(get(port, None));
        assert!(stranger.contains("error[wrong-program]"), "{stranger}");
        asked.join().unwrap();
    }
}

#[test]
fn answers_have_an_end() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_ANSWER_BYTES + 1);
    let mut long = head.into_bytes();
    long.resize(long.len() + MAX_ANSWER_BYTES + 1, b' ');
    let (port, asked) = server(vec![long]);
    assert!(words(get(port, None)).contains("longer than 4 MiB"));
    asked.join().unwrap();
    let (port, asked) = server(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()]);
    assert!(words(get(port, None)).contains("breaks off"));
    asked.join().unwrap();
}

#[test]
fn words_of_strangers_cannot_steer_the_terminal() {
    let body = r#"{"error":{"message":"\u001b[2Jowned","help":"\u001b]0;x\u0007"}}"#;
    let (port, asked) = server(vec![answer("409 Conflict", "", body)]);
    let words = words(get(port, None));
    assert!(!words.replace('\n', "").contains(char::is_control), "{words:?}");
    asked.join().unwrap();
}

//! Options of the interface.

use super::{refused, shown};

#[test]
fn the_interface_of_a_pasted_line_is_one_address() {
    for (line, bind) in [
        ("--http-host 0.0.0.0 --http-port 80", "0.0.0.0:80"),
        ("--http-port=8080 --http-enabled", "127.0.0.1:8080"),
        ("--http-host :: --http-no-restricted", "[::]:4077"),
        ("--http-host localhost --api-worker-id rig", "localhost:4077"),
        ("--http-port 1 --api-bind 127.0.0.1:2", "127.0.0.1:2"),
    ] {
        let outcome = shown(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(outcome.value("api.bind", None).as_deref(), Some(bind), "{line}: {}", outcome.stderr);
    }
    let outcome = shown(&["--http-access-token", "hunter2-hunter2-hunter2"]);
    assert!(outcome.stderr.contains("warning[visible-secret]"), "{}", outcome.stderr);
    assert!(!outcome.all().contains("hunter2"), "{}", outcome.all());
    refused(&["--http-access-token", "short"], &["fewer than 16"]);
}

#[test]
fn the_token_has_no_flag() {
    let outcome = shown(&["--api-token", "hunter2-hunter2-hunter2"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("--api-token-file") && outcome.stderr.contains("RMINER_API_TOKEN"));
    assert!(!outcome.all().contains("hunter2"), "{}", outcome.all());
}

#[test]
fn lists_of_the_interface_grow_with_each_flag() {
    let origins = ["--api-allow-origin", "https://a.example", "--api-allow-origin", "https://b.example"];
    let outcome = shown(&origins);
    let value = outcome.value("api.allow_origin", None);
    assert_eq!(value.as_deref(), Some("https://a.example,https://b.example"));
    refused(&["--api-allow-origin", "*"], &["every page"]);
}

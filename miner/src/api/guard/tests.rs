use axum::http::Request;
use axum::http::request::Builder;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

const TOKEN: &str = "0123456789abcdef";

fn access(bind: &str) -> Access {
    Access {
        bind: bind.parse().unwrap(),
        token: Some(Token::new(SecretString::from(TOKEN))),
        pairing: Arc::default(),
        origins: vec!["https://rigs.example".into()],
        hosts: vec!["rig01.lan".into()],
    }
}

fn guard() -> Guard {
    Guard::new(access("127.0.0.1:4077"))
}

fn peer() -> Peer {
    Peer { remote: "127.0.0.1:50000".parse().unwrap(), local: "127.0.0.1:4077".parse().unwrap() }
}

fn get(path: &str) -> Builder {
    Request::get(path).header("host", "127.0.0.1:4077")
}

fn pause() -> Builder {
    Request::post("/api/v1/control/pause")
        .header("host", "localhost")
        .header("content-type", "application/json")
}

fn parts(builder: Builder) -> Parts {
    builder.body(()).unwrap().into_parts().0
}

fn status_at(guard: &mut Guard, request: Builder, peer: Peer, now: Instant) -> u16 {
    match guard.judge(&parts(request), peer, now).outcome {
        Outcome::Pass => 200,
        Outcome::Preflight => 204,
        Outcome::Refuse(error) => error.status.as_u16(),
    }
}

fn status(guard: &mut Guard, request: Builder) -> u16 {
    status_at(guard, request, peer(), Instant::now())
}

fn with_token(request: Builder, token: &str) -> Builder {
    request.header("authorization", format!("Bearer {token}"))
}

#[test]
fn only_names_of_this_machine_are_answered() {
    let mut guard = guard();
    for host in [
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:4077",
        "LOCALHOST",
        "localhost.",
        "[::1]:4077",
        "127.9.9.9",
        "Rig01.lan:80",
    ] {
        assert_eq!(status(&mut guard, Request::get("/").header("host", host)), 200, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:4077",
        "10.0.0.9",
        "",
        "rig01.lan@evil.example",
        "0x7f.1",
        "[::2]",
        "::1",
        "localhost:4077:1",
    ] {
        assert_eq!(status(&mut guard, Request::get("/").header("host", host)), 421, "{host}");
    }
    assert_eq!(status(&mut guard, Request::get("/")), 400);
    assert_eq!(status(&mut guard, Request::get("/").version(Version::HTTP_10)), 200);
    assert_eq!(status(&mut guard, get("/").header("host", "localhost")), 400, "twice");
    assert_eq!(status(&mut guard, Request::get("http://evil.example/").header("host", "localhost")), 421);
}

#[test]
fn the_address_that_was_asked_is_a_name_too() {
    let mut guard = Guard::new(access("0.0.0.0:4077"));
    let peer = Peer { remote: "192.0.2.7:999".parse().unwrap(), local: "192.0.2.1:4077".parse().unwrap() };
    let asked = |host: &str| with_token(Request::get("/").header("host", host), TOKEN);
    let now = Instant::now();
    assert_eq!(status_at(&mut guard, asked("192.0.2.1:4077"), peer, now), 200);
    assert_eq!(status_at(&mut guard, asked("192.0.2.2:4077"), peer, now), 421);
    assert_eq!(status_at(&mut guard, asked("evil.example"), peer, now), 421);
}

#[test]
fn pages_need_an_origin_that_is_listed() {
    let mut guard = guard();
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:4078",
        "https://127.0.0.1:4077",
        "http://localhost:4077",
        "http://rigs.example",
        "",
    ] {
        assert_eq!(status(&mut guard, get("/").header("origin", origin)), 403, "{origin}");
        let asked = Request::options("/").header("host", "localhost").header("origin", origin);
        assert_eq!(status(&mut guard, asked.header("access-control-request-method", "GET")), 403, "{origin}");
    }
    let listed = "https://rigs.example";
    let verdict = guard.judge(&parts(get("/").header("origin", listed)), peer(), Instant::now());
    let origin = Some(HeaderValue::from_static(listed));
    assert_eq!(verdict, Verdict { origin, scope: Some(Scope::Read), outcome: Outcome::Pass });
    let preflight =
        Request::options("/api/v1/control/pause").header("host", "localhost").header("origin", listed);
    assert_eq!(status(&mut guard, preflight.header("access-control-request-method", "POST")), 204);
    assert_eq!(status(&mut guard, pause().header("origin", listed)), 401, "an origin is no token");
    assert_eq!(status(&mut guard, get("/").header("origin", listed).header("origin", listed)), 403);
    assert_eq!(status(&mut guard, Request::options("/").header("host", "localhost")), 405);
}

#[test]
fn other_methods_are_told_which_there_are() {
    let mut guard = guard();
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY"] {
        for (path, allow) in
            [("/api/v1/status", "GET, HEAD"), ("/api/v1/control/pause", "POST"), ("/json_rpc", "POST")]
        {
            let request =
                with_token(Request::builder().method(method).uri(path).header("host", "localhost"), TOKEN);
            let verdict = guard.judge(&parts(request), peer(), Instant::now());
            let Outcome::Refuse(error) = verdict.outcome else { panic!("{method} {path}") };
            assert_eq!((error.status.as_u16(), error.allow), (405, Some(allow)), "{method}");
        }
    }
}

#[test]
fn orders_are_taken_where_there_are_some_and_nowhere_else() {
    let mut guard = guard();
    for (path, wanted) in
        [("/json_rpc", 200), ("/api/v1/status", 405), ("/api/v1/config", 405), ("/1/config", 405), ("/", 405)]
    {
        let request =
            Request::post(path).header("host", "localhost").header("content-type", "application/json");
        assert_eq!(status(&mut guard, with_token(request, TOKEN)), wanted, "{path}");
    }
}

#[test]
fn reading_needs_the_token_where_others_can_reach_it() {
    let now = Instant::now();
    for bind in ["0.0.0.0:4077", "[::]:4077", "192.0.2.1:4077"] {
        let mut guard = Guard::new(access(bind));
        for path in ["/api/v1/status", "/metrics", "/readyz", "/1/summary", "/api/v1/paired", "/assets", "//"]
        {
            assert_eq!(status_at(&mut guard, get(path), peer(), now), 401, "{bind} {path}");
            assert_eq!(status_at(&mut guard, with_token(get(path), TOKEN), peer(), now), 200);
        }
        for path in ["/healthz", "/", "/assets/page.js"] {
            let verdict = guard.judge(&parts(get(path)), peer(), now);
            assert_eq!((verdict.outcome, verdict.scope), (Outcome::Pass, None), "{path}");
        }
        let verdict = guard.judge(&parts(with_token(get("/"), TOKEN)), peer(), now);
        assert_eq!((verdict.outcome, verdict.scope), (Outcome::Pass, Some(Scope::Owner)));
        assert_eq!(status_at(&mut guard, with_token(get("/"), "wrong"), peer(), now), 401);
    }
    let mut guard = Guard::new(access("[::1]:4077"));
    assert_eq!(status_at(&mut guard, get("/api/v1/status"), peer(), now), 200);
}

#[test]
fn behind_a_proxy_reading_needs_the_token_on_loopback_too() {
    let mut guard = guard();
    let now = Instant::now();
    let asked = |path: &str, host: &str| Request::get(path).header("host", host);
    for host in ["127.0.0.1:4077", "localhost", "[::1]"] {
        assert_eq!(status(&mut guard, asked("/api/v1/status", host)), 200, "{host}");
    }
    for host in ["rig01.lan", "Rig01.lan:443", "rig01.lan."] {
        for path in ["/api/v1/status", "/metrics", "/api/v1/stream", "/1/summary"] {
            assert_eq!(status(&mut guard, asked(path, host)), 401, "{host} {path}");
            assert_eq!(status(&mut guard, with_token(asked(path, host), TOKEN)), 200, "{host} {path}");
        }
        for path in ["/healthz", "/", "/assets/page.js"] {
            let verdict = guard.judge(&parts(asked(path, host)), peer(), now);
            assert_eq!((verdict.outcome, verdict.scope), (Outcome::Pass, None), "{host} {path}");
        }
        let pair = Request::post(PAIR_PATH).header("host", host).header("content-type", "application/json");
        let verdict = guard.judge(&parts(pair), peer(), now);
        assert_eq!((verdict.outcome, verdict.scope), (Outcome::Pass, None), "{host}");
    }
    let mixed = Request::get("http://rig01.lan/api/v1/status").header("host", "localhost");
    assert_eq!(status(&mut guard, mixed), 401, "either name counts");
}

#[test]
fn without_a_token_nothing_that_needs_one_is_done() {
    let mut guard = Guard::new(Access { token: None, ..access("127.0.0.1:4077") });
    assert_eq!(status(&mut guard, get("/")), 200);
    for given in ["", "x", TOKEN] {
        assert_eq!(status(&mut guard, with_token(pause(), given)), 403);
    }
}

#[test]
fn after_five_wrong_tokens_an_address_waits() {
    let mut guard = guard();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..5 {
        assert_eq!(status_at(&mut guard, with_token(pause(), "wrong"), peer(), at(second)), 401);
    }
    let verdict = guard.judge(&parts(with_token(pause(), TOKEN)), peer(), at(5));
    let Outcome::Refuse(error) = verdict.outcome else { panic!("the right token after five wrong ones") };
    assert_eq!((error.status.as_u16(), error.retry_after_s), (429, Some(56)));
    assert_eq!(status_at(&mut guard, get("/"), peer(), at(5)), 200, "reading goes on");
    let other = Peer { remote: "127.0.0.2:1".parse().unwrap(), ..peer() };
    assert_eq!(
        status_at(&mut guard, with_token(pause(), TOKEN), other, at(5)),
        200,
        "others are not held up"
    );
    assert_eq!(status_at(&mut guard, with_token(pause(), TOKEN), peer(), at(60)), 200);
}

#[test]
fn a_missing_token_is_no_guess_and_another_scheme_is() {
    let mut guard = guard();
    for _ in 0..20 {
        assert_eq!(status(&mut guard, pause()), 401);
    }
    for _ in 0..MAX_FAILURES {
        assert_eq!(status(&mut guard, pause().header("authorization", format!("Basic {TOKEN}"))), 401);
    }
    assert_eq!(status(&mut guard, with_token(pause(), TOKEN)), 429);
}

#[test]
fn strangers_are_counted_within_a_bound() {
    let mut guard = guard();
    let now = Instant::now();
    for number in 0..=u16::try_from(MAX_STRANGERS).unwrap() {
        let [high, low] = number.to_be_bytes();
        let remote = SocketAddr::new([10, 0, high, low].into(), 1);
        assert_eq!(status_at(&mut guard, with_token(pause(), "wrong"), Peer { remote, ..peer() }, now), 401);
    }
    assert_eq!(guard.strangers.len(), MAX_STRANGERS);
    assert_eq!(guard.strangers[0].address, IpAddr::from([10, 0, 0, 1]), "the oldest went");
    let v6 = |text: &str| network_of(text.parse().unwrap());
    assert_eq!(v6("2001:db8:1:2:3::9"), v6("2001:db8:1:2:ffff::1"), "one network is one stranger");
    assert_ne!(v6("2001:db8:1:2::9"), v6("2001:db8:1:3::9"));
    assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
}

#[test]
fn orders_are_json_short_and_not_too_many() {
    let mut guard = guard();
    let now = Instant::now();
    let plain = Request::post("/api/v1/control/pause").header("host", "localhost");
    assert_eq!(status(&mut guard, with_token(plain, TOKEN)), 415);
    let long = pause().header("content-length", MAX_BODY_BYTES + 1);
    assert_eq!(status(&mut guard, with_token(long, TOKEN)), 413);
    assert_eq!(
        status(&mut guard, get("/").header("content-length", "99999999999999999999")),
        200,
        "hyper refuses it"
    );
    for _ in 0..MAX_WRITES {
        let whole = pause().header("content-length", MAX_BODY_BYTES);
        assert_eq!(status_at(&mut guard, with_token(whole, TOKEN), peer(), now), 200);
    }
    assert_eq!(status_at(&mut guard, with_token(pause(), TOKEN), peer(), now), 429);
    assert_eq!(guard.writes.len(), MAX_WRITES);
    assert_eq!(status_at(&mut guard, with_token(pause(), TOKEN), peer(), now + MEMORY), 200);
    assert!(is_json(Some(&HeaderValue::from_static("Application/JSON; charset=utf-8"))));
    for wrong in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""] {
        assert!(!is_json(Some(&HeaderValue::from_static(wrong))), "{wrong}");
    }
}

#[test]
fn the_own_page_may_ask_whatever_its_name() {
    let mut guard = Guard::new(access("0.0.0.0:4077"));
    let peer = Peer { remote: "192.0.2.7:999".parse().unwrap(), local: "192.0.2.1:4077".parse().unwrap() };
    let mut order = |host: &str, origin: &str| {
        let request = Request::post("/api/v1/control/pause").header("content-type", "application/json");
        let request = with_token(request.header("host", host).header("origin", origin), TOKEN);
        status_at(&mut guard, request, peer, Instant::now())
    };
    for host in ["192.0.2.1:4077", "rig01.lan", "Rig01.lan:80", "[::1]:4077", "localhost"] {
        assert_eq!(order(host, &format!("http://{}", host.to_lowercase())), 200, "{host}");
        // Only a proxy encrypts, and asks by an allowed name.
        let encrypted = if host.to_lowercase().starts_with("rig01.lan") { 200 } else { 403 };
        assert_eq!(order(host, &format!("https://{host}")), encrypted, "{host}");
        for scheme in ["http", "https"] {
            assert_eq!(order(host, &format!("{scheme}://{host}1")), 403, "{host}");
        }
    }
    // A page that made its own name point here is its own origin, and still unknown.
    assert_eq!(order("evil.example:4077", "http://evil.example:4077"), 421);
    assert_eq!(order("192.0.2.1:4077", "http://"), 403);
    assert_eq!(order("rig01.lan", "https://"), 403);
    assert_eq!(order("rig01.lan", "https://evil.example"), 403);
    assert_eq!(order("evil.example", "https://evil.example"), 421);
    let without_host = Request::post("/json_rpc").version(Version::HTTP_10).header("origin", "http://");
    assert_eq!(status(&mut guard, without_host), 403);
}

#[test]
fn tokens_of_paired_devices_do_what_they_are_for() {
    let pairing: Arc<Pairing> = Arc::default();
    let now = Instant::now();
    let pair = |scope| {
        let code = pairing.offer(scope, now).unwrap();
        pairing.pair(&code, "a phone", now, 0.0).unwrap().0
    };
    let (reads, controls) = (pair(Scope::Read), pair(Scope::Control));
    let mut guard = Guard::new(Access { pairing: Arc::clone(&pairing), ..access("0.0.0.0:4077") });
    let order = |path: &str| {
        Request::post(path).header("host", "localhost").header("content-type", "application/json")
    };
    for (token, pause, pairs) in [(reads.as_str(), 403, 403), (&controls, 200, 403), (TOKEN, 200, 200)] {
        assert_eq!(status(&mut guard, with_token(get("/api/v1/status"), token)), 200);
        for path in ["/api/v1/control/pause", "/json_rpc"] {
            assert_eq!(status(&mut guard, with_token(order(path), token)), pause, "{path}");
        }
        for path in OWNERS_PATHS {
            assert_eq!(status(&mut guard, with_token(order(path), token)), pairs, "{path}");
        }
    }
    assert!(guard.strangers.is_empty(), "none of these is a guess");
    pairing.forget(None).unwrap();
    assert_eq!(status(&mut guard, with_token(get("/api/v1/status"), &reads)), 401);
    // Without the owner's token nobody could let devices in or out.
    let mut guard = Guard::new(Access { token: None, pairing, ..access("127.0.0.1:4077") });
    assert_eq!(status(&mut guard, with_token(order("/api/v1/control/pair"), TOKEN)), 403);
}

#[test]
fn codes_can_be_tried_by_strangers_now_and_then() {
    let now = Instant::now();
    for bind in ["127.0.0.1:4077", "0.0.0.0:4077"] {
        let mut guard = Guard::new(access(bind));
        let pair = || Request::post(PAIR_PATH).header("host", "localhost");
        assert_eq!(status_at(&mut guard, pair(), peer(), now), 415);
        let pair = || pair().header("content-type", "application/json");
        assert_eq!(status_at(&mut guard, pair().header("origin", "https://evil.example"), peer(), now), 403);
        for _ in 0..MAX_CODES {
            assert_eq!(status_at(&mut guard, pair(), peer(), now), 200);
        }
        assert_eq!(status_at(&mut guard, pair(), peer(), now), 429);
        assert_eq!(status_at(&mut guard, with_token(pause(), TOKEN), peer(), now), 200, "orders go on");
        assert_eq!(status_at(&mut guard, pair(), peer(), now + MEMORY), 200);
    }
}

fn any_method() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("POST".to_owned()),
        Just("OPTIONS".to_owned()),
        Just("post".to_owned()),
        "(PUT|DELETE|PATCH|TRACE|CONNECT|[A-Z]{1,8})",
    ]
}

proptest! {
    /// Whatever else stands in a request, it changes nothing without the token, on any bind.
    #[test]
    fn no_write_passes_without_the_token(
        method in any_method(),
        path in "(/api/v1/control/[a-z]{0,8}|/json_rpc|/[a-z0-9/._%-]{0,40})",
        host in "(localhost|127\\.0\\.0\\.1|rig01\\.lan|[a-z.]{1,12})",
        origin in proptest::option::of("(https://rigs\\.example|null|[a-z:/]{0,12})"),
        authorization in proptest::option::of("((Bearer|bearer|Basic) )?[0-9a-f]{0,20}"),
        kind in proptest::option::of("(application/json|text/plain)"),
        bind in "(127\\.0\\.0\\.1|0\\.0\\.0\\.0):4077",
    ) {
        prop_assume!(!["GET", "HEAD"].contains(&method.as_str()) && path != PAIR_PATH);
        prop_assume!(authorization.as_ref().is_none_or(|given| !given.ends_with(TOKEN)));
        let mut request = Request::builder().method(method.as_str()).uri(&path).header("host", host);
        for (name, value) in [("origin", origin), ("authorization", authorization), ("content-type", kind)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let mut guard = Guard::new(access(&bind));
        let verdict = guard.judge(&parts(request), peer(), Instant::now());
        prop_assert_ne!(verdict.outcome, Outcome::Pass);
    }

    /// On any other bind, nothing is read without it either.
    #[test]
    fn no_read_from_outside_passes_without_the_token(
        path in "/[a-z0-9/._%-]{0,40}",
        authorization in proptest::option::of("(Bearer )?[0-9a-f]{0,20}"),
    ) {
        prop_assume!(!is_always_open(&path));
        prop_assume!(authorization.as_ref().is_none_or(|given| !given.ends_with(TOKEN)));
        let mut request = get(&path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let mut guard = Guard::new(access("0.0.0.0:4077"));
        prop_assert_ne!(guard.judge(&parts(request), peer(), Instant::now()).outcome, Outcome::Pass);
    }

    /// Any header may stand in front of the token without a panic.
    #[test]
    fn any_bytes_are_judged(host in proptest::collection::vec(0x20u8..0xFF, 0..40), auth in proptest::collection::vec(0x20u8..0xFF, 0..40)) {
        let header = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""));
        let request = Request::post("/").header("host", header(&host)).header("authorization", header(&auth));
        prop_assert_ne!(guard().judge(&parts(request), peer(), Instant::now()).outcome, Outcome::Pass);
    }
}

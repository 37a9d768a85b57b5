mod kaspa;

use rminer_algos::Hash;
use rminer_algos::registry::RANDOMX;

use super::*;
use crate::dialect::monero::{Monero, MoneroConfig};

const BLOB: &str = "1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201";

fn job_line(id: usize, blob: &str) -> String {
    let seed = "41".repeat(32);
    format!(
        "{{\"blob\":\"{blob}\",\"job_id\":\"{id}\",\"target\":\"ffffffff\",\"algo\":\"rx/0\",\"height\":1,\"seed_hash\":\"{seed}\"}}"
    )
}

struct Bench {
    session: Session,
    ledger: Ledger,
    now: Instant,
    job: Option<Arc<Job>>,
    sent: Vec<String>,
    settled: Vec<Settled>,
    closed: Option<CloseReason>,
    notices: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let config = MoneroConfig {
            login: "w".into(),
            pass: "x".into(),
            rig_id: None,
            agent: "a".into(),
            algorithm: &RANDOMX,
            also: Vec::new(),
            nicehash: None,
            keepalive: true,
        };
        Self::of(Box::new(Monero::new(config)))
    }

    fn of(dialect: Box<dyn Dialect>) -> Self {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let session = Session::start(1, 0, dialect, now, &mut ledger);
        let (job, sent, settled, closed, notices) = (None, Vec::new(), Vec::new(), None, Vec::new());
        let mut bench = Self { session, ledger, now, job, sent, settled, closed, notices };
        bench.drain();
        bench
    }

    fn mining() -> Self {
        let mut bench = Self::new();
        bench.says(&format!("{{\"id\":1,\"result\":{{\"id\":\"s\",\"job\":{}}}}}", job_line(1, BLOB)));
        assert!(bench.job.is_some());
        bench
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            let verdict = matches!(output, Output::Settled(_));
            assert!(
                self.closed.is_none() || verdict,
                "nothing comes after the close but verdicts: {output:?}"
            );
            match output {
                Output::Send(bytes) => self.sent.push(String::from_utf8(bytes).unwrap()),
                Output::Job(job) => self.job = Some(job),
                Output::Settled(settled) => self.settled.push(settled),
                Output::Close(reason) => self.closed = Some(reason),
                Output::Notice(text) => self.notices.push(text),
                _ => {}
            }
        }
        assert!(self.ledger.balances());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.session.bytes(self.now, bytes, &mut self.ledger);
        self.drain();
    }

    fn says(&mut self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.session.tick(self.now, &mut self.ledger);
        self.drain();
    }

    fn finds(&mut self, nonce: u64) {
        let job = Arc::clone(self.job.as_ref().unwrap());
        self.finds_for(job, nonce);
    }

    fn finds_for(&mut self, job: Arc<Job>, nonce: u64) {
        let share = Share { job, roll: 0, nonce, hash: Hash([0; 32]), device: 0, found: self.now };
        self.session.share(self.now, &share, &mut self.ledger);
        self.drain();
    }

    fn last(&self) -> &Verdict {
        &self.settled.last().unwrap().verdict
    }
}

#[test]
fn login_has_a_deadline() {
    for (seconds, closes) in [(14, false), (15, true)] {
        let mut bench = Bench::new();
        bench.after(seconds);
        assert_eq!(bench.closed.is_some(), closes, "{seconds}");
    }
}

#[test]
fn first_job_has_a_deadline_that_waiting_extends() {
    let mut bench = Bench::new();
    bench.says(r#"{"id":1,"result":{"id":"s"}}"#);
    bench.after(15);
    assert_eq!(bench.closed, Some(CloseReason::NoJob(Duration::from_secs(15))));
    let mut bench = Bench::new();
    bench.says(r#"{"id":1,"error":{"message":"No block template yet"}}"#);
    for _ in 0..2 {
        bench.after(10);
        bench.says(r#"{"id":2,"error":{"message":"No block template yet"}}"#);
    }
    assert_eq!(bench.closed, None);
    bench.after(10);
    assert_eq!(bench.closed, Some(CloseReason::NothingToMine(Duration::from_secs(30))));
}

#[test]
fn silence_and_slow_lines_end_it() {
    let mut bench = Bench::mining();
    bench.after(60);
    assert!(bench.sent.last().unwrap().contains("keepalived"));
    bench.after(29);
    assert_eq!(bench.closed, None);
    bench.after(1);
    assert_eq!(bench.closed, Some(CloseReason::Idle(Duration::from_secs(90))));

    let mut bench = Bench::mining();
    for _ in 0..9 {
        bench.bytes(b"{");
        bench.after(1);
    }
    assert_eq!(bench.closed, None);
    bench.after(1);
    assert_eq!(bench.closed, Some(CloseReason::SlowLine(LINE_TIME)));
}

#[test]
fn long_lines_and_tls_end_it() {
    let mut bench = Bench::new();
    bench.bytes(&vec![b'x'; 64 * 1024]);
    assert_eq!(bench.closed, None);
    bench.bytes(b"x");
    assert_eq!(bench.closed, Some(CloseReason::LongLine(64 * 1024)));
    let mut bench = Bench::new();
    bench.bytes(&[0x15, 3, 3, 0, 2, 2, 70]);
    assert_eq!(bench.closed, Some(CloseReason::PeerSpeaksTls));
}

#[test]
fn third_fault_in_a_minute_ends_it() {
    let mut bench = Bench::mining();
    for _ in 0..4 {
        bench.says("<html>");
        bench.after(31);
        bench.says(r#"{"method":"hum"}"#);
        bench.says(r#"{"method":"job","params":{}}"#);
        assert_eq!(bench.closed, None);
        bench.after(31);
    }
    assert_eq!(bench.notices.len(), 8);
    bench.after(31);
    for _ in 0..3 {
        bench.says("<html>");
    }
    assert!(matches!(&bench.closed, Some(CloseReason::Protocol(text)) if text.contains("<html>")));
}

#[test]
fn nothing_follows_a_close_in_one_line() {
    let mut bench = Bench::mining();
    bench.finds(1);
    bench.says(r#"{"id":2,"error":{"message":"Unauthenticated"}}{"id":"#);
    assert_eq!(bench.closed, Some(CloseReason::SessionExpired));
    assert!(bench.notices.is_empty(), "{:?}", bench.notices);
}

#[test]
fn other_algorithm_ends_it_at_once() {
    let mut bench = Bench::mining();
    bench.says(&format!("{{\"method\":\"job\",\"params\":{}}}", job_line(2, BLOB).replace("rx/0", "rx/wow")));
    assert!(matches!(&bench.closed, Some(CloseReason::Algorithm(text)) if text.contains("rx/wow")));
}

#[test]
fn shares_get_one_verdict_each() {
    let mut bench = Bench::mining();
    bench.finds(1);
    assert_eq!(bench.ledger.pending(), 1);
    bench.says(r#"{"id":2,"result":{"status":"OK"}}"#);
    assert_eq!(*bench.last(), Verdict::Accepted);
    bench.finds(1);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Duplicate));
    // The same work under another name and target: still the same nonces.
    bench.says(&format!("{{\"method\":\"job\",\"params\":{}}}", job_line(2, BLOB)));
    bench.finds(1);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Duplicate));
    let foreign = Job { key: JobKey { session: 9, seq: 1 }, ..Job::clone(bench.job.as_ref().unwrap()) };
    bench.finds_for(Arc::new(foreign), 5);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Stale));
    bench.finds(2);
    bench.session.end(bench.now, &mut bench.ledger);
    bench.drain();
    assert_eq!(*bench.last(), Verdict::Lost);
    assert_eq!(bench.ledger.total().found, 5);
}

#[test]
fn hashes_above_the_target_are_not_sent() {
    let mut bench = Bench::mining();
    let job = Arc::clone(bench.job.as_ref().unwrap());
    let share = Share { job, roll: 0, nonce: 3, hash: Hash([0xFF; 32]), device: 0, found: bench.now };
    bench.session.share(bench.now, &share, &mut bench.ledger);
    bench.drain();
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Miscompute));
}

#[test]
fn old_jobs_leave_the_ring() {
    let mut bench = Bench::mining();
    let first = Arc::clone(bench.job.as_ref().unwrap());
    let limit = bench.session.dialect.limits().job_ring;
    for id in 0..limit {
        bench.finds_for(Arc::clone(&first), id as u64);
        assert_eq!(bench.ledger.pending(), id + 1, "still credited");
        let blob = BLOB.replacen("4b63", &format!("4b{id:02x}"), 1);
        bench.says(&format!("{{\"method\":\"job\",\"params\":{}}}", job_line(2 + id, &blob)));
    }
    bench.finds_for(first, 99);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Stale));
}

#[test]
fn submits_are_limited() {
    let mut bench = Bench::mining();
    for nonce in 0..100 {
        bench.finds(nonce);
    }
    assert_eq!(bench.ledger.pending(), SUBMITS_PER_S as usize);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Throttled));
    bench.now += Duration::from_millis(500);
    for nonce in 100..200 {
        bench.finds(nonce);
    }
    assert_eq!(bench.ledger.pending(), SUBMITS_PER_S as usize * 3 / 2);
}

#[test]
fn unanswered_share_in_silence_ends_it_and_a_slow_pool_does_not() {
    let mut bench = Bench::mining();
    bench.finds(1);
    bench.after(19);
    assert_eq!(bench.closed, None);
    bench.after(1);
    assert_eq!(*bench.last(), Verdict::NoReply);
    assert_eq!(bench.closed, Some(CloseReason::ShareTimeout(Duration::from_secs(20))));

    let mut bench = Bench::mining();
    bench.finds(1);
    bench.after(10);
    bench.says(r#"{"method":"x"}"#);
    bench.after(10);
    assert_eq!((bench.last(), &bench.closed), (&Verdict::NoReply, &None));
    bench.says(r#"{"id":2,"result":{"status":"OK"}}"#);
    assert_eq!(*bench.last(), Verdict::Accepted, "a late answer corrects the row");
}

#[test]
fn flood_ends_it() {
    let mut bench = Bench::mining();
    let noise = "{\"method\":\"x\"}\n".repeat(20_000);
    for _ in 0..200 {
        if bench.closed.is_some() {
            break;
        }
        bench.bytes(noise.as_bytes());
        bench.now += Duration::from_millis(100);
    }
    assert_eq!(bench.closed, Some(CloseReason::Flood));
}

#[test]
fn last_line_without_newline_counts() {
    let mut bench = Bench::mining();
    bench.finds(1);
    bench.bytes(br#"{"id":2,"result":{"status":"OK"}}"#);
    assert_eq!(bench.ledger.pending(), 1);
    bench.session.end(bench.now, &mut bench.ledger);
    bench.drain();
    assert_eq!(*bench.last(), Verdict::Accepted);
}

#[test]
fn memory_of_sent_nonces_is_bounded() {
    let mut bench = Bench::mining();
    for work in 0..2 * MAX_WORKS {
        let blob = BLOB.replacen("4b63", &format!("4b{work:02x}"), 1);
        bench.says(&format!("{{\"method\":\"job\",\"params\":{}}}", job_line(2 + work, &blob)));
        bench.now += Duration::from_secs(1);
        bench.finds(1);
        bench.says(&format!("{{\"id\":{},\"result\":true}}", 2 + work));
    }
    assert_eq!(bench.session.sent.len(), MAX_WORKS);
    let key = bench.job.as_ref().unwrap().template.work(0).unwrap().key();
    let full = (0..MAX_NONCES as u64).find_map(|nonce| bench.session.remember(key.clone(), nonce + 10));
    assert_eq!(full, Some(NotSent::Throttled));
}

#[test]
fn other_protocols_are_named_by_their_first_bytes() {
    let mut bench = Bench::new();
    bench.bytes(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n");
    assert_eq!(bench.closed, Some(CloseReason::PeerSpeaksHttp("HTTP/1.1 400 Bad Request".into())));
    // The settings that a gRPC server sends before anything else.
    let mut bench = Bench::new();
    bench.bytes(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 64, 0]);
    assert_eq!(bench.closed, Some(CloseReason::PeerSpeaksHttp2));
    let mut bench = Bench::mining();
    bench.says("HTTP/1.1 400 Bad Request");
    assert_eq!(bench.closed, None, "later it is a broken line");
}

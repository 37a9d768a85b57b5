//! Whole conversations.

use super::*;

/// A node that is a pure function, and the session's part.
struct Pair {
    dialect: Kaspad,
    out: Outbox,
    now: Instant,
    /// Numbers of the fields that the requests are, with what is in them.
    asked: VecDeque<(u32, Vec<u8>)>,
    jobs: Vec<Arc<Job>>,
    told: Vec<String>,
    verdicts: Vec<(u64, Verdict)>,
    closed: Option<CloseReason>,
    hung_up: bool,
}

const INFO: u32 = 1092;
const NOTIFY: u32 = 1081;
const TEMPLATE: u32 = 1005;
const SUBMIT: u32 = 1003;
const COLOR: u32 = 1110;

impl Pair {
    fn new(address: &str) -> Self {
        let config = KaspadConfig {
            address: address.into(),
            extra_data: "rminer/test".into(),
            algorithm: &registry::KHEAVYHASH,
            patience: 1,
        };
        let mut pair = Self {
            dialect: Kaspad::new(config),
            out: Outbox::default(),
            now: Instant::now(),
            asked: VecDeque::new(),
            jobs: Vec::new(),
            told: Vec::new(),
            verdicts: Vec::new(),
            closed: None,
            hung_up: false,
        };
        pair.dialect.start(pair.now, &mut pair.out);
        pair.drain();
        pair
    }

    /// One that has a job.
    fn mining() -> Self {
        let mut pair = Self::new("kaspadev:qq");
        pair.log_in();
        pair.say_template(1, true);
        assert_eq!(pair.jobs.len(), 1);
        pair
    }

    fn log_in(&mut self) {
        self.takes(INFO);
        self.say(1093, &[message(3, b"2.1.0"), message(4, b"devnet")].concat()).unwrap();
        self.takes(NOTIFY);
        // A block that waits goes first.
        let place = self.asked.iter().position(|(kind, _)| *kind == TEMPLATE).unwrap();
        let (_, asked) = self.asked.remove(place).unwrap();
        assert_eq!(asked, [message(1, b"kaspadev:qq"), message(2, b"rminer/test")].concat());
        self.say(1082, &[]).unwrap();
    }

    /// The next request, which must be of this kind.
    fn takes(&mut self, kind: u32) -> Vec<u8> {
        let (asked, payload) = self.asked.pop_front().unwrap_or_else(|| panic!("{kind} was not asked for"));
        assert_eq!(asked, kind);
        payload
    }

    /// The next request of this kind; those for templates before it are answered, and time passes.
    fn until(&mut self, kind: u32) -> Vec<u8> {
        loop {
            match self.asked.front() {
                Some((TEMPLATE, _)) => {
                    self.takes(TEMPLATE);
                    self.say_template(1, true);
                }
                Some(_) => return self.takes(kind),
                None => {
                    self.wait();
                }
            }
        }
    }

    fn say(&mut self, kind: u32, payload: &[u8]) -> Result<(), ProtocolError> {
        let answer = [number(101, 7), message(kind, payload)].concat();
        let result = self.dialect.message(self.now, &answer, &mut self.out);
        self.drain();
        result
    }

    fn say_error(&mut self, kind: u32, words: &str) {
        self.say(kind, &message(1000, &message(1, words.as_bytes()))).unwrap();
    }

    fn say_template(&mut self, timestamp: u64, is_synced: bool) {
        let block = message(3, &message(1, &header(timestamp)));
        self.say(1006, &[number(2, is_synced.into()), block].concat()).unwrap();
    }

    fn submit(&mut self, id: u64, job: usize, nonce: u64) {
        let share = Share {
            job: Arc::clone(&self.jobs[job]),
            roll: 0,
            nonce,
            hash: Hash([0; 32]),
            device: 0,
            found: self.now,
        };
        self.dialect.submit(self.now, ShareId(id), &share, &mut self.out);
        self.drain();
    }

    fn lose_stream(&mut self) {
        let reason = CloseReason::Network("gone".into());
        self.dialect.stream_ended(self.now, reason, &mut self.out);
        self.asked.clear();
        self.drain();
    }

    /// Lets time pass up to the next deadline, and says how long that was.
    fn wait(&mut self) -> Duration {
        let due = self.dialect.deadline().expect("it wants to be called");
        let waited = due.saturating_duration_since(self.now);
        self.now = self.now.max(due);
        self.dialect.tick(self.now, &mut self.out);
        self.drain();
        waited
    }

    fn drain(&mut self) {
        for out in self.out.take() {
            match out {
                Out::Message(message) => {
                    let found = fields("request", &message).map(Result::unwrap).last().unwrap();
                    self.asked
                        .push_back((found.number, found.bytes_of("request", "payload").unwrap().to_vec()));
                }
                Out::HangUp => {
                    self.asked.clear();
                    self.hung_up = true;
                }
                Out::Event(Event::LoggedIn) => self.told.push("logged in".into()),
                Out::Event(Event::Waiting(text) | Event::Notice(text)) => self.told.push(text),
                Out::Event(Event::Job(job)) => self.jobs.push(Arc::new(job.into_job(1, 0, self.now))),
                Out::Event(Event::Verdict(ShareId(id), verdict)) => self.verdicts.push((id, verdict)),
                Out::Close(reason) => self.closed = Some(reason),
                other => panic!("{other:?}"),
            }
        }
    }

    fn last_verdict(&self) -> &Verdict {
        &self.verdicts.last().unwrap().1
    }
}

#[test]
fn from_hello_to_a_block_that_is_taken() {
    let mut pair = Pair::mining();
    assert_eq!(pair.told, ["logged in"]);
    let job = Arc::clone(&pair.jobs[0]);
    assert_eq!((job.height, job.supersede, job.block_target), (Some(1), Supersede::Prefer, Some(job.target)));
    pair.submit(1, 0, 0xABCD);
    let block = message(1, &[header(1), number(8, 0xABCD)].concat());
    assert_eq!(pair.takes(SUBMIT), message(2, &block));
    pair.say(1004, &[]).unwrap();
    assert_eq!(pair.verdicts, [(1, Verdict::Accepted)]);
}

#[test]
fn a_new_template_is_fetched_when_the_node_says_so_and_not_too_often() {
    let mut pair = Pair::mining();
    for round in 2..5 {
        // However often it says so.
        for _ in 0..10 {
            pair.say(1083, &[]).unwrap();
        }
        assert_eq!(pair.asked.len(), 0);
        assert_eq!(pair.wait(), SHORTEST);
        pair.takes(TEMPLATE);
        // Nor is it asked twice at once.
        pair.say(1083, &[]).unwrap();
        assert_eq!(pair.asked.len(), 0);
        pair.say_template(round, true);
        assert_eq!(pair.jobs.len(), usize::try_from(round).unwrap());
        assert_eq!(pair.wait(), SHORTEST);
        pair.takes(TEMPLATE);
        pair.say_template(round, true);
        assert_eq!(pair.jobs.len(), usize::try_from(round).unwrap(), "the same again is no job");
    }
    assert_eq!(pair.wait(), REFRESH, "of a node that is silent");
    pair.takes(TEMPLATE);
}

#[test]
fn late_blocks_are_sent_and_the_ring_is_bounded() {
    let mut pair = Pair::mining();
    for timestamp in 2..=RING as u64 {
        pair.wait();
        pair.takes(TEMPLATE);
        pair.say_template(timestamp, true);
    }
    pair.submit(1, 0, 5);
    let block = message(1, &[header(1), number(8, 5)].concat());
    assert_eq!(pair.takes(SUBMIT), message(2, &block), "the oldest of the ring");
    pair.say(1004, &[]).unwrap();
    pair.wait();
    pair.takes(TEMPLATE);
    pair.say_template(1000, true);
    assert_eq!(pair.dialect.templates.len(), RING);
    pair.submit(2, 0, 6);
    assert_eq!(pair.last_verdict(), &Verdict::NotSent(NotSent::Stale));
}

#[test]
fn what_blocks_hold_is_bounded_as_well() {
    let mut pair = Pair::mining();
    let transaction = message(2, &vec![0; RING_BYTES / 4]);
    for timestamp in 2..10 {
        pair.wait();
        pair.takes(TEMPLATE);
        let block = [message(1, &header(timestamp)), transaction.clone()].concat();
        pair.say(1006, &[number(2, 1), message(3, &block)].concat()).unwrap();
        assert!(pair.dialect.template_bytes <= RING_BYTES);
    }
    assert_eq!(pair.dialect.templates.len(), 3);
}

#[test]
fn an_address_of_another_network_is_refused() {
    for (address, network, words) in [
        ("kaspa:qq", "devnet", Some("the node is on devnet, and kaspa:… is an address of mainnet")),
        ("kaspadev:qq", "mainnet", Some("port 16610")),
        ("kaspatest:qq", "testnet-10", None),
        ("kaspasim:qq", "simnet", None),
        ("kaspa:qq", "mainnet", None),
    ] {
        let mut pair = Pair::new(address);
        pair.takes(INFO);
        pair.say(1093, &message(4, network.as_bytes())).unwrap();
        match (words, &pair.closed) {
            (None, None) => assert_eq!(pair.told, ["logged in"]),
            (Some(words), Some(CloseReason::LoginRefused(text))) => assert!(text.contains(words), "{text}"),
            (_, closed) => panic!("{address} on {network}: {closed:?}"),
        }
    }
    let mut pair = Pair::new("kaspadev:qq");
    pair.log_in();
    pair.say_error(1006, "Invalid prefix kaspadev");
    assert!(matches!(&pair.closed, Some(CloseReason::LoginRefused(text)) if text.contains("Invalid prefix")));
}

#[test]
fn a_node_that_catches_up_is_waited_for() {
    let mut pair = Pair::new("kaspadev:qq");
    pair.log_in();
    for _ in 0..3 {
        pair.say_template(1, false);
        assert_eq!(pair.wait(), REFRESH);
        pair.takes(TEMPLATE);
    }
    assert_eq!(pair.told, ["logged in", "the node catches up with its network"], "said once");
    assert_eq!((pair.jobs.len(), &pair.closed), (0, &None));
    pair.say_template(1, true);
    assert_eq!(pair.jobs.len(), 1);
    // And falls behind again.
    pair.wait();
    pair.takes(TEMPLATE);
    pair.say_error(1006, "consensus is in transitional ibd state");
    assert_eq!(pair.told.last().unwrap(), "consensus is in transitional ibd state");
    pair.wait();
    pair.takes(TEMPLATE);
    pair.say_template(1, true);
    assert_eq!(pair.jobs.len(), 2, "the same template again, as the session has dropped its job");
}

#[test]
fn refused_blocks_have_the_node_s_words() {
    let mut pair = Pair::mining();
    pair.submit(1, 0, 1);
    pair.takes(SUBMIT);
    let invalid = [number(1, 1), message(1000, &message(1, b"Block was not submitted: block is invalid"))];
    pair.say(1004, &invalid.concat()).unwrap();
    let text = "Block was not submitted: block is invalid".into();
    assert_eq!(pair.last_verdict(), &Verdict::Rejected { kind: Reject::Other, text });

    // A node that is not synced puts a block off, and so does one whose queue is full, which has no reason of its own.
    for busy in [number(1, 2), message(1000, &message(1, b"route is full"))] {
        let before = pair.verdicts.len();
        pair.submit(2, 0, 2);
        for _ in 0..3 {
            pair.until(SUBMIT);
            pair.say(1004, &busy).unwrap();
            assert_eq!(pair.verdicts.len(), before);
        }
        pair.until(SUBMIT);
        pair.say(1004, &busy).unwrap();
        assert!(matches!(pair.last_verdict(), Verdict::Rejected { .. }));
    }
}

#[test]
fn a_block_outlives_the_stream() {
    let mut pair = Pair::mining();
    pair.submit(1, 0, 7);
    pair.submit(2, 0, 8);
    let first = pair.takes(SUBMIT);
    // The answer is lost with the stream; the node is away for some tries.
    pair.lose_stream();
    for pause in [1, 2, 4] {
        assert_eq!(pair.closed, None);
        assert_eq!(pair.wait().as_secs(), pause);
        pair.takes(INFO);
        pair.lose_stream();
    }
    pair.wait();
    pair.log_in();
    assert_eq!(pair.until(SUBMIT), first, "the same block again");
    pair.say(1004, &[]).unwrap();
    pair.until(SUBMIT);
    pair.say(1004, &[]).unwrap();
    assert_eq!(pair.verdicts, [(1, Verdict::Accepted), (2, Verdict::Accepted)]);
    // With no block to hand in, the end of a stream is the end.
    pair.lose_stream();
    assert_eq!(pair.closed, Some(CloseReason::Network("gone".into())));
}

#[test]
fn a_node_that_does_not_answer_is_gone() {
    let mut pair = Pair::new("kaspadev:qq");
    pair.takes(INFO);
    assert_eq!(pair.wait(), PATIENCE);
    assert!(pair.hung_up);
    let words = "no answer from the node within 10 s; is this the gRPC port of a Kaspa node?";
    assert_eq!(pair.closed, Some(CloseReason::Network(words.into())));

    // While a block is on its way, it is asked on a new stream.
    let mut pair = Pair::mining();
    pair.submit(1, 0, 7);
    pair.takes(SUBMIT);
    while !pair.hung_up {
        pair.wait();
    }
    assert_eq!(pair.closed, None);
    pair.wait();
    pair.takes(INFO);
}

#[test]
fn answers_that_nobody_asked_for_are_faults() {
    let mut pair = Pair::mining();
    for kind in [1093, 1082, 1004, 1111] {
        assert!(pair.say(kind, &[]).is_err(), "{kind}");
    }
    assert!(pair.say(1006, &message(3, b"")).is_err());
    assert_eq!(pair.say(1099, b"anything"), Ok(()), "what is not for us is nobody's fault");
    assert!(pair.dialect.message(pair.now, &[0xff], &mut pair.out).is_err());
    assert!(pair.dialect.line(pair.now, b"{}", &mut pair.out).is_err());
}

#[test]
fn a_block_that_comes_out_red_is_told_of() {
    let mut pair = Pair::mining();
    let take = |pair: &mut Pair, id: u64| {
        pair.submit(id, 0, id);
        pair.until(SUBMIT);
        pair.say(1004, &[]).unwrap();
    };
    let began = pair.now;
    take(&mut pair, 1);
    let hash = encode_hex(&pair.dialect.templates[0].1.hash_with(1).unwrap());
    assert_eq!(pair.until(COLOR), message(1, hash.as_bytes()));
    assert!(pair.now - began >= Duration::from_secs(30));
    // Nothing stands on it yet: it is looked at again.
    pair.say_error(1111, "merger not found");
    assert_eq!(pair.until(COLOR), message(1, hash.as_bytes()));
    pair.say(1111, &[]).unwrap();
    assert_eq!(
        pair.told.last().unwrap(),
        &format!("block {hash} was taken, but others were faster: it is red and pays nothing")
    );
    take(&mut pair, 2);
    pair.until(COLOR);
    let told = pair.told.len();
    pair.say(1111, &number(1, 1)).unwrap();
    assert_eq!(pair.told.len(), told, "blue needs no words");
}

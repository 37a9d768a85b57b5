//! Whole conversations, under a clock that only the tests move.

use super::*;

const BUSY: (i64, &str) = (-9, "Core is busy");
const NOT_ACCEPTED: (i64, &str) = (-7, "Block not accepted");

/// A node with zero latency. Its blocks are the recorded one with another parent, height and time.
struct Node {
    /// Ids by height.
    chain: Vec<[u8; 32]>,
    /// Whether each template differs from the one before.
    new_transactions: bool,
    served: u8,
    down: bool,
    status: u16,
    template_error: Option<(i64, &'static str)>,
    submit_error: Option<(i64, &'static str)>,
    /// Whether it answers when asked for a block's header.
    headers: bool,
    blocks: Vec<Vec<u8>>,
}

impl Node {
    fn answer(&mut self, request: &HttpRequest) -> Result<(u16, Vec<u8>), &'static str> {
        if self.down {
            return Err("connection refused");
        }
        if self.status != 200 {
            return Ok((self.status, b"<html>".to_vec()));
        }
        let tip = *self.chain.last().unwrap();
        if request.body.is_none() {
            let reply = json!({"hash": encode_hex(&tip), "height": self.chain.len(), "status": "OK"});
            return Ok((200, reply.to_string().into_bytes()));
        }
        let call: Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
        let params = &call["params"];
        let result = match call["method"].as_str().unwrap() {
            "get_block_template" => {
                assert_eq!(params["extra_nonce"], encode_hex(&EXTRA_NONCE));
                self.template_error.map_or_else(|| Ok(self.template(tip)), Err)
            }
            "submit_block" => self.take(bytes(&params[0])),
            "get_block_header_by_height" if self.headers => {
                match self.chain.get(usize::try_from(params["height"].as_u64().unwrap()).unwrap()) {
                    Some(id) => Ok(json!({"block_header": {"hash": encode_hex(id)}, "status": "OK"})),
                    None => Err((-2, "Requested block height too big")),
                }
            }
            _ => Err((-32_601, "Method not found")),
        };
        let reply = match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
            Err((code, message)) => json!({"id": 0, "error": {"code": code, "message": message}}),
        };
        Ok((200, reply.to_string().into_bytes()))
    }

    fn template(&mut self, tip: [u8; 32]) -> Value {
        let mut result = recorded()[0].clone();
        let height = u8::try_from(self.chain.len()).unwrap();
        let mut block = bytes(&result["blocktemplate_blob"]);
        self.served += u8::from(self.new_transactions);
        block[3] = 0x80 | self.served;
        block[7..39].copy_from_slice(&tip);
        assert_eq!(std::mem::replace(&mut block[48], height), 101);
        result["blockhashing_blob"] = json!(encode_hex(&derive(&block).unwrap().hashing_blob));
        result["blocktemplate_blob"] = json!(encode_hex(&block));
        result["height"] = json!(height);
        result
    }

    /// As a real node: a block that comes second is kept aside and called OK all the same.
    fn take(&mut self, block: Vec<u8>) -> Result<Value, (i64, &'static str)> {
        if let Some(error) = self.submit_error {
            return Err(error);
        }
        let parent = Header::read(&block).unwrap().parent;
        if parent == *self.chain.last().unwrap() {
            self.chain.push(block::block_id(&derive(&block).unwrap().hashing_blob));
        } else if !self.chain.contains(&parent) {
            return Err(NOT_ACCEPTED);
        }
        self.blocks.push(block);
        Ok(json!({"status": "OK", "untrusted": false}))
    }
}

/// The dialect, its node, and what the session was told.
struct Run {
    now: Instant,
    dialect: Monerod,
    node: Node,
    /// Requests that the node has not seen yet.
    wire: VecDeque<HttpRequest>,
    methods: Vec<String>,
    jobs: Vec<NewJob>,
    verdicts: Vec<(u64, Verdict)>,
    logged_in: usize,
    waiting: Vec<String>,
    closed: Vec<CloseReason>,
    faults: Vec<ProtocolError>,
}

impl Run {
    /// Not started.
    fn new() -> Self {
        let now = Instant::now();
        let node = Node {
            chain: (0..5).map(|height| [height; 32]).collect(),
            new_transactions: true,
            served: 0,
            down: false,
            status: 200,
            template_error: None,
            submit_error: None,
            headers: true,
            blocks: Vec::new(),
        };
        Self {
            now,
            dialect: Monerod::new(config()),
            node,
            wire: VecDeque::new(),
            methods: Vec::new(),
            jobs: Vec::new(),
            verdicts: Vec::new(),
            logged_in: 0,
            waiting: Vec::new(),
            closed: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Started, with its first job.
    fn mining() -> Self {
        let mut run = Self::new();
        run.start();
        run.deliver();
        assert_eq!((run.logged_in, run.jobs.len()), (1, 1));
        run
    }

    fn start(&mut self) {
        let mut out = Outbox::default();
        self.dialect.start(self.now, &mut out);
        self.drain(out);
    }

    fn drain(&mut self, mut out: Outbox) {
        for out in out.take() {
            match out {
                Out::Http(request) => {
                    let body: Value = request
                        .body
                        .as_ref()
                        .map_or(json!({"method": "height"}), |body| serde_json::from_str(body).unwrap());
                    assert_eq!(request.path, if request.body.is_some() { CALL } else { "/get_height" });
                    self.methods.push(body["method"].as_str().unwrap().to_owned());
                    self.wire.push_back(request);
                }
                Out::Event(Event::LoggedIn) => self.logged_in += 1,
                Out::Event(Event::Waiting(text)) => self.waiting.push(text),
                Out::Event(Event::Job(job)) => self.jobs.push(job),
                Out::Event(Event::Verdict(id, verdict)) => self.verdicts.push((id.0, verdict)),
                Out::Close(reason) => self.closed.push(reason),
                Out::Line(_) | Out::Message(_) | Out::HangUp | Out::Event(_) => panic!("{out:?}"),
            }
        }
    }

    /// The node answers everything that is on the wire and what follows from that.
    fn deliver(&mut self) {
        for _ in 0..100 {
            let Some(request) = self.wire.pop_front() else { return };
            let answer = self.node.answer(&request);
            self.reply(
                request.tag,
                answer
                    .as_ref()
                    .map(|(status, body)| (*status, &body[..]))
                    .map_err(|why| HttpFailure::Other(why)),
            );
        }
        panic!("the exchanges never end: {:?}", self.methods);
    }

    fn reply(&mut self, tag: u64, outcome: Result<(u16, &[u8]), HttpFailure<'_>>) {
        let mut out = Outbox::default();
        let result = self.dialect.http(self.now, HttpReply { tag, outcome }, &mut out);
        self.faults.extend(result.err());
        self.drain(out);
    }

    /// Lets time pass; at each deadline the dialect acts and the node answers at once.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(deadline) = self.dialect.deadline().filter(|at| *at <= end && self.closed.is_empty()) {
            self.now = self.now.max(deadline);
            let mut out = Outbox::default();
            self.dialect.tick(self.now, &mut out);
            self.drain(out);
            self.deliver();
        }
        self.now = end;
    }

    /// Hands in a hit on the newest job; the node does not see it before [`Run::deliver`].
    fn hit(&mut self, id: u64) {
        let seq = self.jobs.last().unwrap().seq;
        self.hit_on(id, seq);
    }

    fn hit_on(&mut self, id: u64, seq: u64) {
        let mut out = Outbox::default();
        let new = self.jobs.iter().find(|job| job.seq == seq).unwrap();
        let share = Share {
            job: Arc::new(new.clone().into_job(1, 0, self.now)),
            roll: 0,
            nonce: 0x0100_0000 + id,
            hash: Hash([0; 32]),
            device: 0,
            found: self.now,
        };
        self.dialect.submit(self.now, ShareId(id), &share, &mut out);
        self.drain(out);
    }

    fn count(&self, method: &str) -> usize {
        self.methods.iter().filter(|asked| *asked == method).count()
    }

    fn verdict(&self, id: u64) -> &Verdict {
        let mut of_id = self.verdicts.iter().filter(|(settled, _)| *settled == id);
        let verdict = &of_id.next().unwrap_or_else(|| panic!("{id} has no verdict")).1;
        assert!(of_id.next().is_none(), "{id} has two verdicts");
        verdict
    }

    fn kind(&self, id: u64) -> Reject {
        match self.verdict(id) {
            Verdict::Rejected { kind, .. } => *kind,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn first_job_comes_from_the_first_answer() {
    let mut run = Run::new();
    run.start();
    assert_eq!(run.methods, ["get_block_template"]);
    let body: Value = serde_json::from_str(run.wire[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(body["params"], json!({"wallet_address": "4\"quoted\"", "extra_nonce": "0011223344556677"}));
    run.deliver();
    let job = &run.jobs[0];
    assert_eq!((job.seq, job.height, job.supersede), (1, Some(5), Supersede::Discard));
    assert_eq!((job.target, job.block_target), (Target::MAX, Some(Target::MAX)));
    let work = job.template.work(0).unwrap();
    assert_eq!(work.seed().map(|seed| encode_hex(seed)).as_deref(), recorded()[0]["seed_hash"].as_str());
    assert_eq!((work.nonce_field().offset, work.nonce_field().last_counter()), (39, 0xFFFF_FFFF));
}

#[test]
fn polls_and_refreshes() {
    let mut run = Run::mining();
    run.pass(14);
    assert_eq!((run.count("height"), run.count("get_block_template")), (14, 1));
    run.pass(1);
    assert_eq!((run.jobs.len(), run.jobs[1].supersede), (2, Supersede::Prefer));
    run.node.new_transactions = false;
    run.pass(60);
    assert_eq!(run.count("get_block_template"), 6);
    assert_eq!(run.jobs.len(), 2, "the same template is no new job");
}

#[test]
fn a_moved_tip_is_followed_within_a_second() {
    let mut run = Run::mining();
    run.node.chain.push([9; 32]);
    run.pass(1);
    assert_eq!((run.jobs.len(), run.jobs[1].height, run.jobs[1].supersede), (2, Some(6), Supersede::Discard));
    // The chain may also become shorter, or change its last block only.
    run.node.chain.truncate(3);
    run.pass(1);
    assert_eq!((run.jobs.len(), run.jobs[2].height), (3, Some(3)));
    run.node.chain[2] = [7; 32];
    run.pass(1);
    assert_eq!((run.jobs.len(), run.jobs[3].supersede), (4, Supersede::Discard));
    assert_eq!(run.faults, []);
}

#[test]
fn a_block_is_accepted_and_work_goes_on_at_once() {
    let mut run = Run::mining();
    run.hit(1);
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
    assert_eq!((run.node.chain.len(), run.jobs.len(), run.jobs[1].height), (6, 2, Some(6)), "without a wait");
    assert_eq!(run.node.blocks[0][39..43], [1, 0, 0, 1], "the nonce, little-endian");
    // A late hit on the finished template could only compete with our own block.
    run.hit_on(2, 1);
    assert_eq!(*run.verdict(2), Verdict::NotSent(NotSent::Stale));
    assert_eq!(run.count("submit_block"), 1);
}

#[test]
fn hits_on_an_older_template_of_the_same_parent_count() {
    let mut run = Run::mining();
    run.pass(15);
    assert_eq!(run.jobs.len(), 2);
    run.hit_on(1, 1);
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
}

#[test]
fn one_block_at_a_time() {
    let mut run = Run::mining();
    for id in 1..=3 {
        run.hit(id);
    }
    assert_eq!(run.count("submit_block"), 1);
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
    for id in [2, 3] {
        assert_eq!(*run.verdict(id), Verdict::NotSent(NotSent::Stale));
    }
    assert_eq!((run.count("submit_block"), run.node.chain.len()), (1, 6));
}

#[test]
fn after_a_refused_block_the_next_one_goes() {
    let mut run = Run::mining();
    run.node.submit_error = Some((-6, "Wrong block blob"));
    for id in 1..=2 {
        run.hit(id);
    }
    run.deliver();
    let text = "Wrong block blob".to_owned();
    assert_eq!(*run.verdict(1), Verdict::Rejected { kind: Reject::Other, text });
    assert_eq!((run.kind(2), run.count("submit_block")), (Reject::Other, 2));
}

#[test]
fn ok_for_a_block_that_came_second_is_no_acceptance() {
    let mut run = Run::mining();
    run.hit(1);
    run.node.chain.push([9; 32]);
    run.deliver();
    let text = "another block stands at height 5".to_owned();
    assert_eq!(*run.verdict(1), Verdict::Rejected { kind: Reject::Stale, text });
    assert_eq!(run.jobs.last().unwrap().height, Some(6));
    // A node that does not answer the question is believed.
    run.node.headers = false;
    run.hit(2);
    run.deliver();
    assert_eq!(*run.verdict(2), Verdict::Accepted);
}

#[test]
fn why_a_block_was_not_accepted() {
    let mut run = Run::mining();
    run.node.submit_error = Some(NOT_ACCEPTED);
    run.hit(1);
    run.deliver();
    assert_eq!(run.kind(1), Reject::BadHash, "its parent still stands");

    run.hit(2);
    run.node.chain[4] = [7; 32];
    run.deliver();
    assert_eq!(run.kind(2), Reject::Stale, "its parent is gone, as only the node knew");

    run.hit(3);
    run.node.chain.truncate(2);
    run.deliver();
    assert_eq!(run.kind(3), Reject::Other, "no block stands there at all");

    run.node.submit_error = None;
    run.node.new_transactions = false;
    run.hit(4);
    run.deliver();
    assert_eq!(*run.verdict(4), Verdict::Accepted);
}

#[test]
fn a_tip_known_to_have_moved_needs_no_question() {
    let mut run = Run::mining();
    run.hit(1);
    let submit = run.wire.pop_front().unwrap();
    run.node.chain.push([9; 32]);
    run.pass(1);
    let error = json!({"error": {"code": -7, "message": "Block not accepted"}}).to_string();
    run.reply(submit.tag, Ok((200, error.as_bytes())));
    assert_eq!(run.kind(1), Reject::Stale);
    assert_eq!(run.count("get_block_header_by_height"), 0);
}

#[test]
fn a_busy_node_is_waited_for() {
    let mut run = Run::new();
    run.node.template_error = Some(BUSY);
    run.start();
    run.deliver();
    assert_eq!((run.logged_in, &run.waiting[..]), (1, &["Core is busy".to_owned()][..]));
    // Catching up with the chain, the height changes all the time; that must not hurry us.
    for height in 5..60 {
        run.node.chain.push([height; 32]);
        run.pass(1);
    }
    assert!((5..=8).contains(&run.count("get_block_template")), "{}", run.count("get_block_template"));
    assert_eq!((run.waiting.len(), &run.closed[..], &run.faults[..]), (1, &[][..], &[][..]));
    run.node.template_error = None;
    run.pass(15);
    assert_eq!((run.jobs.len(), run.logged_in), (1, 1));
}

#[test]
fn busy_in_the_middle_matters_only_when_the_tip_moved() {
    let mut run = Run::mining();
    run.node.template_error = Some(BUSY);
    run.pass(20);
    assert_eq!(run.waiting.len(), 0, "the template at hand can still become a block");
    run.node.chain.push([9; 32]);
    run.pass(30);
    assert_eq!(run.waiting.len(), 1);
    // Back to where it was: the old template is good again, and the session must hear of it.
    run.node.chain.pop();
    run.node.new_transactions = false;
    run.node.template_error = None;
    run.pass(15);
    assert_eq!(run.jobs.len(), 2);
}

#[test]
fn other_states_of_a_node_are_shown() {
    let mut run = Run::mining();
    run.node.chain.push([9; 32]);
    run.pass(0);
    let mut out = Outbox::default();
    run.dialect.tick(run.now + POLL, &mut out);
    run.drain(out);
    let height = run.wire.pop_front().unwrap();
    let answer = run.node.answer(&height).unwrap();
    run.reply(height.tag, Ok((answer.0, &answer.1)));
    let template = run.wire.pop_front().unwrap();
    run.reply(template.tag, Ok((200, b"{\"result\":{\"status\":\"PAYMENT REQUIRED\"}}")));
    assert_eq!(run.waiting, ["PAYMENT REQUIRED"]);
}

#[test]
fn a_wrong_wallet_is_a_refused_login() {
    for error in [(-4, "Failed to parse wallet address"), (-12, "Mining to subaddress is not supported yet")]
    {
        let mut run = Run::new();
        run.node.template_error = Some(error);
        run.start();
        run.deliver();
        let [CloseReason::LoginRefused(text)] = &run.closed[..] else { panic!("{:?}", run.closed) };
        assert!(text.contains(error.1) && text.contains("4\"quoted\"") && text.contains("primary address"));
        assert_eq!(run.logged_in, 0);
    }
}

#[test]
fn a_login_in_vain_ends_the_session() {
    let mut run = Run::new();
    run.start();
    let tag = run.wire[0].tag;
    run.reply(tag, Err(HttpFailure::Login("the node refuses the login of user \"me\"")));
    let reason = CloseReason::LoginRefused("the node refuses the login of user \"me\"".into());
    assert_eq!((&run.closed[..], run.logged_in), (&[reason][..], 0));

    let mut run = Run::mining();
    run.node.status = 401;
    run.pass(1);
    assert!(matches!(&run.closed[..], [CloseReason::LoginRefused(_)]), "{:?}", run.closed);
}

#[test]
fn what_is_no_node_is_left_at_once() {
    let mut run = Run::new();
    run.node.down = true;
    run.start();
    run.deliver();
    assert_eq!(run.closed, [CloseReason::Connect("connection refused".into())]);

    let mut run = Run::new();
    run.node.status = 404;
    run.start();
    run.deliver();
    assert!(
        matches!(&run.closed[..], [CloseReason::Protocol(text)] if text.contains("404")),
        "{:?}",
        run.closed
    );

    let mut run = Run::new();
    run.node.template_error = Some((-32_601, "Method not found"));
    run.start();
    run.deliver();
    assert!(matches!(&run.closed[..], [CloseReason::Protocol(text)] if text.contains("monerod")));
}

#[test]
fn a_dead_node_is_noticed_by_its_polls() {
    let mut run = Run::mining();
    run.node.down = true;
    run.pass(2);
    assert_eq!(run.closed, []);
    run.pass(1);
    assert_eq!(run.closed, [CloseReason::Network("connection refused".into())]);

    // One or two failures are no death.
    let mut run = Run::mining();
    for _ in 0..5 {
        run.node.down = true;
        run.pass(2);
        run.node.down = false;
        run.pass(1);
    }
    assert_eq!((run.closed.len(), run.jobs.len()), (0, 2));
}

#[test]
fn a_block_waits_for_its_node() {
    let mut run = Run::mining();
    run.node.down = true;
    run.hit(1);
    run.pass(500);
    assert_eq!((run.closed.len(), run.verdicts.len()), (0, 0));
    assert!(run.count("submit_block") < 50, "with pauses");
    run.node.down = false;
    run.pass(15);
    assert_eq!(*run.verdict(1), Verdict::Accepted);
}

#[test]
fn a_block_does_not_wait_for_ever() {
    let mut run = Run::mining();
    run.node.down = true;
    run.hit(1);
    run.pass(RETRY_FOR.as_secs() + 30);
    assert_eq!(run.closed, [CloseReason::Network("connection refused".into())]);
    assert_eq!(run.verdicts.len(), 0, "the session has said that there was no reply");
}

#[test]
fn a_busy_node_gets_the_block_again() {
    let mut run = Run::mining();
    run.node.submit_error = Some(BUSY);
    run.hit(1);
    run.deliver();
    run.pass(3);
    run.node.submit_error = None;
    run.pass(4);
    assert_eq!(*run.verdict(1), Verdict::Accepted);
    assert_eq!(run.count("submit_block"), 4);
}

#[test]
fn nonsense_is_a_fault_each_time() {
    let mut run = Run::mining();
    run.hit(1);
    for body in [&b"<html>"[..], b"", b"[1]", b"{", b"\xff\xfe", b"{\"id\":1}"] {
        // By then a height, a template and an answer to the block are all asked for.
        run.now += Duration::from_secs(20);
        let mut out = Outbox::default();
        run.dialect.tick(run.now, &mut out);
        run.drain(out);
        assert_eq!(run.wire.len(), 3);
        for request in std::mem::take(&mut run.wire) {
            let faults = run.faults.len();
            run.reply(request.tag, Ok((200, body)));
            assert_eq!(run.faults.len(), faults + 1, "{body:?}");
        }
        run.wire.clear();
    }
    assert!(run.verdicts.is_empty() && run.closed.is_empty());
    run.reply(9_999, Ok((200, b"{}")));
    assert!(matches!(run.faults.last(), Some(ProtocolError::Unexpected(_))));
}

#[test]
fn a_bad_template_keeps_the_old_job() {
    let mut run = Run::mining();
    run.node.template_error = Some((-1, "odd"));
    run.pass(20);
    assert_eq!((run.jobs.len(), run.faults.len(), run.closed.len()), (1, 3, 0));
}

#[test]
fn blocks_in_waiting_are_bounded() {
    let mut run = Run::mining();
    let most = u64::try_from(MAX_WAITING).unwrap();
    for id in 1..=most + 1 {
        run.hit(id);
    }
    assert_eq!(run.verdicts, [(most + 1, Verdict::NotSent(NotSent::Throttled))]);
    run.deliver();
    assert_eq!(run.verdicts.len(), MAX_WAITING + 1);
    assert_eq!(run.count("submit_block"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_node_is_borne(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz_monerod(&data);
    }
}

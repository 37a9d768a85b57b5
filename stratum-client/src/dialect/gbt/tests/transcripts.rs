//! Whole conversations, under a clock that only the tests move.

use rminer_algos::Target;

use super::*;

const CALL_LIMIT: usize = 200;

/// A node with zero latency. Its templates are the recorded ones on another block.
struct Node {
    /// Hashes by height, in the order in which they are hashed; the first stands at `base`.
    chain: Vec<[u8; 32]>,
    base: u64,
    template: Value,
    /// Seconds that the template's time is ahead of the recorded one.
    time: u64,
    down: bool,
    status: u16,
    /// Instead of an answer to the method: its whole body's error or result.
    errors: Vec<(&'static str, i64, &'static str)>,
    results: Vec<(&'static str, Value)>,
    proposal: Value,
    blocks: Vec<Vec<u8>>,
    /// What came with the last block.
    last_submit: Value,
}

impl Node {
    fn new(recorded_of: &str) -> Self {
        let template = recorded(recorded_of);
        let base = template["height"].as_u64().unwrap() - 1;
        Self {
            chain: vec![[9; 32]],
            base,
            template,
            time: 0,
            down: false,
            status: 200,
            errors: Vec::new(),
            results: Vec::new(),
            proposal: json!(null),
            blocks: Vec::new(),
            last_submit: json!(null),
        }
    }

    fn tip(&self) -> [u8; 32] {
        *self.chain.last().unwrap()
    }

    fn height(&self) -> u64 {
        self.base + self.chain.len() as u64
    }

    fn current(&self) -> Value {
        let mut template = self.template.clone();
        template["previousblockhash"] = json!(display(&self.tip()));
        template["height"] = json!(self.height());
        template["curtime"] = json!(template["curtime"].as_u64().unwrap() + self.time);
        template["maxtime"] = json!(null);
        template["longpollid"] = json!(format!("{}{}", display(&self.tip()), self.time));
        template
    }

    fn answer(&mut self, call: &Value) -> Result<(u16, Vec<u8>), &'static str> {
        if self.down {
            return Err("connection refused");
        }
        if self.status != 200 {
            return Ok((self.status, b"<html>".to_vec()));
        }
        let (method, params) = (call["method"].as_str().unwrap(), &call["params"]);
        if let Some((_, code, message)) = self.errors.iter().find(|(of, ..)| *of == method) {
            let reply =
                json!({"result": null, "error": {"code": code, "message": message}, "id": call["id"]});
            return Ok((500, reply.to_string().into_bytes()));
        }
        let result = match self.results.iter().find(|(of, _)| *of == method) {
            Some((_, result)) => result.clone(),
            None => match method {
                "getblockchaininfo" => json!({"chain": "regtest", "blocks": self.height() - 1}),
                "getbestblockhash" => json!(display(&self.tip())),
                "getblocktemplate" if params[0]["mode"] == "proposal" => {
                    assert!(params[0]["data"].as_str().unwrap().len() > 2 * 80);
                    self.proposal.clone()
                }
                "getblocktemplate" => {
                    assert_eq!(params[0]["rules"], json!(["segwit"]));
                    self.current()
                }
                "submitblock" => self.take(params),
                "getblockhash" => {
                    let place = params[0].as_u64().unwrap().checked_sub(self.base).unwrap();
                    match self.chain.get(usize::try_from(place).unwrap()) {
                        Some(hash) => json!(display(hash)),
                        None => {
                            let error = json!({"code": -8, "message": "Block height out of range"});
                            let reply = json!({"result": null, "error": error, "id": call["id"]});
                            return Ok((500, reply.to_string().into_bytes()));
                        }
                    }
                }
                other => panic!("{other}"),
            },
        };
        Ok((200, json!({"result": result, "error": null, "id": call["id"]}).to_string().into_bytes()))
    }

    /// As a real node: a block that comes second is kept aside.
    fn take(&mut self, params: &Value) -> Value {
        let block = decode_hex(params[0].as_str().unwrap()).unwrap();
        self.last_submit = params[1].clone();
        let hash = sha256d(&block[..80]);
        let is_next = block[4..36] == self.tip();
        let known = self.blocks.contains(&block);
        self.blocks.push(block);
        match (known, is_next) {
            (true, _) => json!("duplicate"),
            (false, true) => {
                self.chain.push(hash);
                json!(null)
            }
            (false, false) => json!("inconclusive"),
        }
    }

    /// A block by somebody else.
    fn extend(&mut self, hash: u8) {
        self.chain.push([hash; 32]);
    }
}

/// The dialect, its node, and what the session was told.
struct Run {
    now: Instant,
    dialect: Gbt,
    node: Node,
    /// Requests that the node has not seen yet.
    wire: VecDeque<HttpRequest>,
    /// The long poll that waits for its answer.
    polls: Vec<HttpRequest>,
    calls: Vec<Value>,
    jobs: Vec<NewJob>,
    verdicts: Vec<(u64, Verdict)>,
    logged_in: usize,
    waiting: Vec<String>,
    notices: Vec<String>,
    closed: Vec<CloseReason>,
    faults: Vec<ProtocolError>,
}

impl Run {
    /// Not started.
    fn with(node: Node) -> Self {
        Self {
            now: Instant::now(),
            dialect: Gbt::new(config()),
            node,
            wire: VecDeque::new(),
            polls: Vec::new(),
            calls: Vec::new(),
            jobs: Vec::new(),
            verdicts: Vec::new(),
            logged_in: 0,
            waiting: Vec::new(),
            notices: Vec::new(),
            closed: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Started, with the node's answers.
    fn started(node: Node) -> Self {
        let mut run = Self::with(node);
        let mut out = Outbox::default();
        run.dialect.start(run.now, &mut out);
        run.drain(out);
        run.deliver();
        run
    }

    /// With its first job and a long poll under way.
    fn mining() -> Self {
        let run = Self::started(Node::new("bcoin"));
        assert_eq!((run.logged_in, run.jobs.len(), run.polls.len()), (1, 1, 1), "{:?}", run.faults);
        run
    }

    fn drain(&mut self, mut out: Outbox) {
        for out in out.take() {
            match out {
                Out::Http(request) => {
                    assert_eq!(request.path, "/");
                    let call: Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
                    let is_poll = !call["params"][0]["longpollid"].is_null();
                    self.calls.push(call);
                    if is_poll {
                        assert!(request.timeout >= Duration::from_secs(600));
                        self.polls.push(request);
                    } else {
                        self.wire.push_back(request);
                    }
                }
                Out::Event(Event::LoggedIn) => self.logged_in += 1,
                Out::Event(Event::Waiting(text)) => self.waiting.push(text),
                Out::Event(Event::Notice(text)) => self.notices.push(text),
                Out::Event(Event::Job(job)) => self.jobs.push(job),
                Out::Event(Event::Verdict(id, verdict)) => self.verdicts.push((id.0, verdict)),
                Out::Close(reason) => self.closed.push(reason),
                Out::Line(_) | Out::Message(_) | Out::HangUp | Out::Event(_) => panic!("{out:?}"),
            }
        }
    }

    /// The node answers everything that is on the wire and what follows from that.
    fn deliver(&mut self) {
        for _ in 0..CALL_LIMIT {
            let Some(request) = self.wire.pop_front() else { return };
            let call = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
            let answer = self.node.answer(&call);
            let outcome = answer.as_ref().map(|(status, body)| (*status, &body[..]));
            self.reply(request.tag, outcome.map_err(|why| HttpFailure::Other(why)));
        }
        panic!("the exchanges never end");
    }

    fn reply(&mut self, tag: u64, outcome: Result<(u16, &[u8]), HttpFailure<'_>>) {
        let mut out = Outbox::default();
        let result = self.dialect.http(self.now, HttpReply { tag, outcome }, &mut out);
        self.faults.extend(result.err());
        self.drain(out);
    }

    /// The node answers the long poll with what is to be mined now.
    fn poll_answered(&mut self) {
        let request = self.polls.remove(0);
        let body = json!({"result": self.node.current(), "error": null, "id": 1}).to_string();
        self.reply(request.tag, Ok((200, body.as_bytes())));
        self.deliver();
    }

    /// Lets time pass; at each deadline the dialect acts and the node answers at once.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..10_000 {
            let due = self.dialect.deadline().filter(|at| *at <= end && self.closed.is_empty());
            let Some(deadline) = due else {
                self.now = end;
                return;
            };
            self.now = self.now.max(deadline);
            let mut out = Outbox::default();
            self.dialect.tick(self.now, &mut out);
            self.drain(out);
            self.deliver();
        }
        panic!("the deadlines never end");
    }

    /// Hands in a block of the newest job; the node does not see it before [`Run::deliver`].
    fn hit(&mut self, id: u64) {
        let seq = self.jobs.last().unwrap().seq;
        self.hit_on(id, seq);
    }

    fn hit_on(&mut self, id: u64, seq: u64) {
        let known = self.dialect.templates.iter().find(|(known, _)| *known == seq);
        let nonce = known.map_or(0, |(_, template)| solution(template, 16 * id));
        self.claim(id, seq, nonce);
    }

    fn claim(&mut self, id: u64, seq: u64, nonce: u64) {
        let new = self.jobs.iter().find(|job| job.seq == seq).unwrap();
        let job = Arc::new(new.clone().into_job(1, 0, self.now));
        let share = Share { job, roll: 0, nonce, hash: Hash([0; 32]), device: 0, found: self.now };
        let mut out = Outbox::default();
        self.dialect.submit(self.now, ShareId(id), &share, &mut out);
        self.drain(out);
    }

    fn count(&self, method: &str) -> usize {
        self.calls.iter().filter(|call| call["method"] == method).count()
    }

    fn polls_asked(&self) -> usize {
        self.calls.iter().filter(|call| !call["params"][0]["longpollid"].is_null()).count()
    }

    fn verdict(&self, id: u64) -> &Verdict {
        let mut of_id = self.verdicts.iter().filter(|(settled, _)| *settled == id);
        let verdict = &of_id.next().unwrap_or_else(|| panic!("{id} has no verdict")).1;
        assert!(of_id.next().is_none(), "{id} has two verdicts");
        verdict
    }

    fn has_verdict(&self, id: u64) -> bool {
        self.verdicts.iter().any(|(settled, _)| *settled == id)
    }
}

#[test]
fn a_block_from_start_to_end() {
    let mut run = Run::mining();
    let methods: Vec<&str> = run.calls.iter().map(|call| call["method"].as_str().unwrap()).collect();
    assert_eq!(
        methods,
        ["getblockchaininfo", "getblocktemplate", "getblocktemplate", "getblocktemplate"],
        "the chain, a template, the proposal, the long poll"
    );
    assert_eq!(run.calls[2]["params"][0]["mode"], "proposal");
    let job = run.jobs.last().unwrap();
    assert_eq!((job.supersede, job.height), (Supersede::Discard, Some(131)));
    assert_eq!(job.block_target, Some(job.target), "every share is a block");

    run.hit(1);
    assert!(!run.has_verdict(1), "nothing is accepted before the node has shown it");
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
    assert_eq!(run.count("getblockhash"), 1);
    assert_eq!(run.node.last_submit, json!(null));
    let job = run.jobs.last().unwrap();
    assert_eq!((run.jobs.len(), job.supersede, job.height), (3, Supersede::Discard, Some(132)));
    assert_eq!(job.target, run.jobs[0].target);
    let held = &run.jobs[1];
    assert_eq!(held.target, Target::HARDEST, "no hash solves it while the block is on its way");
    assert_eq!((held.supersede, held.template.key()), (Supersede::Prefer, run.jobs[0].template.key()));
    assert!(run.faults.is_empty() && run.notices.is_empty() && run.closed.is_empty());
}

/// The node's words, whether it has the block in its chain, and what is made of both.
#[test]
fn every_answer_to_a_block_has_its_verdict() {
    let rejected = |kind, text: &str| Some(Verdict::Rejected { kind, text: text.to_owned() });
    for (words, verdict) in [
        (json!(null), Some(Verdict::Accepted)),
        (json!("duplicate"), Some(Verdict::Accepted)),
        (json!("rejected: duplicate"), Some(Verdict::Accepted)),
        (json!("inconclusive"), Some(Verdict::Accepted)),
        (json!("duplicate-inconclusive"), Some(Verdict::Accepted)),
        (json!("high-hash"), rejected(Reject::LowDifficulty, "high-hash")),
        (json!("rejected: high-hash"), rejected(Reject::LowDifficulty, "high-hash")),
        (json!("rejected: bad-txnmrklroot"), rejected(Reject::Other, "bad-txnmrklroot")),
        (json!("bad-cb-amount"), rejected(Reject::Other, "bad-cb-amount")),
        (json!("rejected: bad-prevblk"), rejected(Reject::Stale, "bad-prevblk")),
        (json!("prev-blk-not-found"), rejected(Reject::Stale, "prev-blk-not-found")),
        (json!("time-too-new"), rejected(Reject::Other, "time-too-new")),
        (json!("duplicate-invalid"), rejected(Reject::Duplicate, "duplicate-invalid")),
        (json!("\u{1b}[2J"), rejected(Reject::Other, "\\u{1b}[2J")),
        (json!({"odd": 1}), rejected(Reject::Other, "{\"odd\":1}")),
    ] {
        let mut run = Run::mining();
        run.hit(1);
        let template = Arc::clone(&run.dialect.templates[0].1);
        let header = template.header_with(0, solution(&template, 16)).unwrap();
        run.node.results = vec![("submitblock", words.clone())];
        // The node has it, whatever it says.
        run.node.chain.push(sha256d(&header));
        run.deliver();
        assert_eq!(Some(run.verdict(1)), verdict.as_ref(), "{words}");
    }
    for (code, text) in [(-22, "Block decode failed"), (-3, "no text"), (-1, "help")] {
        let mut run = Run::mining();
        run.node.errors = vec![("submitblock", code, text)];
        run.hit(1);
        run.deliver();
        assert_eq!(Some(run.verdict(1)), rejected(Reject::Other, text).as_ref());
    }
}

#[test]
fn a_block_beside_the_chain_is_stale() {
    let mut run = Run::mining();
    run.node.extend(7);
    run.hit(1);
    run.deliver();
    assert_eq!(
        *run.verdict(1),
        Verdict::Rejected {
            kind: Reject::Stale,
            text: "another block stands at height 131 (inconclusive)".into()
        }
    );
    assert_eq!(run.jobs.last().unwrap().height, Some(132));
    run.hit(2);
    run.deliver();
    assert_eq!(*run.verdict(2), Verdict::Accepted);
}

/// Nobody needs a second block on one parent, and the first to be found is as good as any.
#[test]
fn one_block_on_a_parent_is_sent() {
    let mut run = Run::mining();
    run.hit(1);
    run.hit(2);
    assert_eq!(*run.verdict(2), Verdict::NotSent(NotSent::Stale));
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
    run.hit_on(3, 1);
    assert_eq!(*run.verdict(3), Verdict::NotSent(NotSent::Stale), "its template is done");
    assert_eq!(run.count("submitblock"), 1);
    // When the first is refused, the next may try.
    run.node.results = vec![("submitblock", json!("bad-cb-amount"))];
    run.hit(4);
    run.deliver();
    run.node.results.clear();
    run.hit(5);
    run.deliver();
    assert_eq!(*run.verdict(5), Verdict::Accepted);
}

/// A hit that is none never leaves: hashing a header once costs nothing.
#[test]
fn what_is_no_solution_is_not_sent() {
    let mut run = Run::mining();
    let template = Arc::clone(&run.dialect.templates[0].1);
    let wrong =
        (0..).find(|nonce| !template.is_solved_by(&template.header_with(0, *nonce).unwrap())).unwrap();
    run.claim(1, 1, wrong);
    assert_eq!(*run.verdict(1), Verdict::NotSent(NotSent::Miscompute));
    assert_eq!(run.count("submitblock"), 0);
}

#[test]
fn a_block_is_sent_until_it_is_answered() {
    let mut run = Run::mining();
    run.node.down = true;
    run.hit(1);
    run.deliver();
    run.pass(300);
    assert!(run.closed.is_empty(), "the connection stays for the block's sake: {:?}", run.closed);
    assert!(run.count("submitblock") > 15 && !run.has_verdict(1));
    run.node.down = false;
    run.node.errors = vec![("submitblock", -28, "Loading block index...")];
    run.pass(30);
    assert!(!run.has_verdict(1), "a node that starts has not answered");
    run.node.errors.clear();
    run.pass(16);
    assert_eq!(*run.verdict(1), Verdict::Accepted);

    // The node takes it and is gone before it is asked: a second time it says that it has it.
    run.node.results = vec![("getblockhash", json!("garbage"))];
    run.hit(2);
    run.deliver();
    assert!(!run.has_verdict(2));
    run.node.results.clear();
    run.pass(2);
    assert_eq!(*run.verdict(2), Verdict::Accepted);
}

#[test]
fn a_node_that_never_shows_the_block_has_not_taken_it() {
    let mut run = Run::mining();
    run.node.results = vec![("submitblock", json!(null))];
    run.hit(1);
    run.deliver();
    assert!(!run.has_verdict(1));
    run.pass(120);
    match run.verdict(1) {
        Verdict::Rejected { kind: Reject::Other, text } => {
            assert_eq!(text, "the node says \"accepted\", but shows no block at height 131");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unanswered_block_is_given_up_after_its_time() {
    let mut run = Run::mining();
    run.node.down = true;
    run.hit(1);
    run.deliver();
    run.pass(700);
    assert!(matches!(run.closed[..], [CloseReason::Network(_)]), "{:?}", run.closed);
}

#[test]
fn long_polls_bring_new_blocks_and_new_transactions() {
    let mut run = Run::mining();
    run.node.time = 5;
    run.poll_answered();
    let job = run.jobs.last().unwrap();
    assert_eq!((run.jobs.len(), job.supersede), (2, Supersede::Prefer), "the same parent");
    run.pass(1);
    assert_eq!(run.polls.len(), 1, "asked again");
    let id = &run.calls.last().unwrap()["params"][0]["longpollid"];
    let asked = run.calls.iter().rev().find(|call| !call["params"][0]["longpollid"].is_null()).unwrap();
    assert!(asked["params"][0]["longpollid"].as_str().unwrap().ends_with('5'), "{id}");
    run.node.extend(8);
    run.poll_answered();
    let job = run.jobs.last().unwrap();
    assert_eq!((run.jobs.len(), job.supersede, job.height), (3, Supersede::Discard, Some(132)));
    // Still good although newer work is there.
    run.pass(1);
    run.node.time = 9;
    run.poll_answered();
    run.hit_on(1, 3);
    run.deliver();
    assert_eq!(*run.verdict(1), Verdict::Accepted);
}

/// A node that answers every long poll at once, and one that answers none.
#[test]
fn long_polls_never_run_hot() {
    let mut run = Run::mining();
    for _ in 0..10 {
        while !run.polls.is_empty() {
            run.poll_answered();
        }
        run.pass(1);
    }
    assert!(run.polls_asked() <= 12, "{}", run.polls_asked());

    let mut run = Run::mining();
    let mut asked = Vec::new();
    for _ in 0..240 {
        if let Some(request) = run.polls.pop() {
            asked.push(run.now);
            run.reply(request.tag, Err(HttpFailure::Other("closed")));
        }
        run.pass(1);
    }
    let pauses: Vec<u64> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(run.count("getbestblockhash") > 200, "the newest block is asked for every second meanwhile");
    assert!(run.closed.is_empty());
}

#[test]
fn a_node_that_forbids_long_polls_is_asked_for_none() {
    let mut run = Run::mining();
    let request = run.polls.remove(0);
    run.reply(request.tag, Ok((403, b"")));
    assert!(run.notices[0].contains("no long poll"), "{:?}", run.notices);
    run.node.extend(5);
    run.pass(6);
    assert_eq!(run.jobs.last().unwrap().height, Some(132));
    run.pass(100);
    assert_eq!(run.polls_asked(), 1);
    assert!(run.closed.is_empty());
}

#[test]
fn without_long_poll_ids_there_is_the_newest_block() {
    let mut node = Node::new("bsv");
    node.template.as_object_mut().unwrap().remove("capabilities");
    let mut run = Run::started(node);
    // The simulation always gives an id.
    run.polls.clear();
    run.node.extend(3);
    run.pass(6);
    assert_eq!(run.jobs.last().unwrap().height, Some(104));
    assert!(run.notices[0].contains("cannot check a block before it is found"), "{:?}", run.notices);
}

#[test]
fn templates_are_fetched_again_in_any_case() {
    let mut run = Run::mining();
    for round in 1..=4u64 {
        run.node.time = 30 * round;
        run.pass(30);
    }
    assert_eq!(run.jobs.len(), 5);
    assert!(run.jobs[1..].iter().all(|job| job.supersede == Supersede::Prefer));
    // The same once more is no new job.
    run.pass(60);
    assert_eq!(run.jobs.len(), 5);
}

/// Servers that know their templates by number want it back, and may have forgotten older ones.
#[test]
fn a_work_id_goes_back_with_the_block() {
    let mut node = Node::new("bcoin");
    node.template["workid"] = json!("w\"1");
    let mut run = Run::started(node);
    run.node.time = 1;
    run.pass(30);
    let jobs = &run.jobs;
    assert_eq!((jobs.len(), jobs[1].supersede), (2, Supersede::Discard), "submitold is false");
    run.hit(1);
    run.deliver();
    assert_eq!(run.node.last_submit, json!({"workid": "w\"1"}));
    run.node.template["submitold"] = json!(true);
    run.node.time = 2;
    run.pass(30);
    run.node.time = 3;
    run.pass(30);
    assert_eq!(run.jobs.last().unwrap().supersede, Supersede::Prefer);
}

/// What a node says that has nothing to mine yet, and that this is no failure.
#[test]
fn a_node_that_is_not_ready_is_waited_for() {
    for (code, text) in [
        (-9, "Bitcoin is not connected!"),
        (-10, "Bitcoin Core is in initial sync and waiting for blocks..."),
        (-28, "Loading block index..."),
    ] {
        for method in ["getblockchaininfo", "getblocktemplate"] {
            let mut node = Node::new("bcoin");
            node.errors = vec![(method, code, text)];
            let mut run = Run::started(node);
            assert_eq!((run.logged_in, run.jobs.len()), (1, 0));
            assert_eq!(run.waiting, [text]);
            run.pass(40);
            assert!(run.closed.is_empty() && run.faults.is_empty(), "{:?} {:?}", run.closed, run.faults);
            assert_eq!(run.waiting.len(), 1, "told once");
            assert!(run.count(method) < 12, "asked less and less");
            run.node.errors.clear();
            run.pass(31);
            assert_eq!(run.jobs.len(), 1, "{code} {method}");
        }
    }
    // One that falls back into it in the middle.
    let mut run = Run::mining();
    run.node.errors = vec![("getblocktemplate", -10, "is in initial sync")];
    run.pass(40);
    assert_eq!(run.waiting, [] as [&str; 0], "the template at hand may still become a block");
    run.node.extend(4);
    run.pass(10);
    assert_eq!(run.waiting, ["is in initial sync"]);
    run.node.errors.clear();
    run.pass(60);
    assert_eq!(run.jobs.last().unwrap().height, Some(132));
}

/// The start: what the node answers there, and how the connection ends.
#[test]
fn what_cannot_work_is_told_and_ends() {
    type Change = fn(&mut Node);
    let rows: [(Change, &str); 9] = [
        (|node| node.down = true, "connection refused"),
        (|node| node.status = 404, "is this the RPC port of a Bitcoin node?"),
        (|node| node.status = 401, "the pool refused the login: \"the node asks for its RPC login\""),
        (|node| node.status = 403, "rpcallowip"),
        (
            |node| node.errors = vec![("getblocktemplate", -8, "must be called with the signet rule set")],
            "the node gives us no template: \"must be called with the signet rule set\"",
        ),
        (|node| node.errors = vec![("getblocktemplate", -32_601, "Method not found")], "node that can mine"),
        (
            |node| node.results = vec![("getblockchaininfo", json!({"chain": "main"}))],
            "the node's chain is \"main\"",
        ),
        (|node| node.template["rules"] = json!(["!segwit", "!new"]), "need the rule \"new\""),
        (
            |node| node.proposal = json!("rejected: bad-cb-height"),
            "the node would refuse the blocks that rminer makes on its chain: \"bad-cb-height\"",
        ),
    ];
    for (change, words) in rows {
        let mut node = Node::new("bcoin");
        change(&mut node);
        let run = Run::started(node);
        assert_eq!((run.closed.len(), run.jobs.len()), (1, 0), "{words}: {:?} {:?}", run.closed, run.faults);
        assert!(run.closed[0].to_string().contains(words), "{words}: {}", run.closed[0]);
    }
    // And what is no answer at all is a fault, of which the session takes a few.
    for garbage in ["<html>", "[]", "", "{\"result\":{}}"] {
        let mut run = Run::with(Node::new("bcoin"));
        let mut out = Outbox::default();
        run.dialect.start(run.now, &mut out);
        run.drain(out);
        run.deliver();
        let mut out = Outbox::default();
        run.now += REFRESH;
        run.dialect.tick(run.now, &mut out);
        run.drain(out);
        let request = run.wire.pop_front().unwrap();
        run.reply(request.tag, Ok((200, garbage.as_bytes())));
        assert_eq!(run.faults.len(), 1, "{garbage}");
    }
    let mut run = Run::mining();
    let mut out = Outbox::default();
    let reply = HttpReply { tag: 999, outcome: Ok((200, b"{}")) };
    assert!(run.dialect.http(run.now, reply, &mut out).is_err(), "nobody asked");
    assert!(run.dialect.line(run.now, b"{}", &mut out).is_err());
}

/// A node that cannot tell its chain is not blamed for it.
#[test]
fn the_chain_is_only_checked_where_it_can_be_told() {
    for (error, result) in
        [(Some((-32_601, "Method not found")), None), (None, Some(json!({}))), (None, Some(json!(null)))]
    {
        let mut node = Node::new("bcoin");
        node.errors.extend(error.map(|(code, text)| ("getblockchaininfo", code, text)));
        node.results.extend(result.map(|result| ("getblockchaininfo", result)));
        assert_eq!(Run::started(node).jobs.len(), 1);
    }
}

#[test]
fn proposals_are_asked_again_where_the_chain_went_on_and_skipped_where_nobody_checks() {
    let mut node = Node::new("bcoin");
    node.proposal = json!("inconclusive-not-best-prevblk");
    let mut run = Run::started(node);
    run.pass(10);
    assert_eq!((run.jobs.len(), run.closed.len()), (0, 0));
    run.node.proposal = json!(null);
    run.pass(31);
    assert_eq!(run.jobs.len(), 1);
    run.pass(100);
    let proposals = run.calls.iter().filter(|call| call["params"][0]["mode"] == "proposal").count();
    assert!((3..10).contains(&proposals), "and then never again: {proposals}");

    let mut node = Node::new("bcoin");
    node.template["capabilities"] = json!(["longpoll"]);
    let run = Run::started(node);
    assert_eq!((run.jobs.len(), run.notices.len()), (1, 1));
    assert!(!run.calls.iter().any(|call| call["params"][0]["mode"] == "proposal"));
}

/// While a template was on its way our own block took its place: mining it would be for nothing.
#[test]
fn a_template_from_before_our_block_is_not_mined() {
    let mut run = Run::mining();
    // Asked before the block, answered after it.
    let body = json!({"result": run.node.current(), "error": null, "id": 1}).to_string();
    let request = run.polls.remove(0);
    run.hit(1);
    run.deliver();
    assert_eq!(run.jobs.last().unwrap().height, Some(132));
    let before = run.jobs.len();
    run.reply(request.tag, Ok((200, body.as_bytes())));
    run.deliver();
    assert_eq!(run.jobs.len(), before);
    // When the node really goes back there, it is mined again.
    run.node.chain.pop();
    run.pass(35);
    assert_eq!(run.jobs.last().unwrap().height, Some(131));
}

#[test]
fn a_node_that_went_is_left_within_seconds() {
    let mut run = Run::mining();
    run.polls.clear();
    run.node.down = true;
    run.pass(12);
    assert!(matches!(run.closed[..], [CloseReason::Network(_)]), "{:?}", run.closed);
}

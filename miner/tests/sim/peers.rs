//! How pools and the network behave in a run.

use rminer_stratum::supervisor::ConnId;

use crate::dice::Dice;
use crate::hostile;
use crate::marks::Mark;
use crate::network::pieces;
use crate::pool::{JobKind, Request, answer, keepalive_answer, notification};
use crate::rates::{ConnectFault, Deed, Keepalive, LoginFault, MS, NetFault, ReplyFault, S, Us};
use crate::world::{What, World};

/// Time between two jobs once the faults have ended, at least and at most.
const HEALTHY_JOB_EVERY: (Us, Us) = (2 * S, 10 * S);
/// Pieces of an endless line and of a flood.
const ENDLESS: (usize, u32) = (16 * 1024, 20);
const FLOOD: (usize, u32) = (300_000, 60);

impl World {
    /// What happens on the pools' side.
    pub(crate) fn peers(&mut self, what: What) {
        match what {
            What::NetFault(id) => self.net_fault(id),
            What::Mend(id) => self.mend(id),
            What::Deed(id) => self.deed(id),
            What::Answer(id, request, outcome) => self.answer_share(id, request, outcome),
            What::FirstJob(id) => self.give_job(id, JobKind::Fresh),
            What::Babble(id, piece, left) => self.babble(id, piece, left),
            What::JobDue(pool, number) => self.job_due(pool, number),
            What::PoolDown(pool) => self.pool_down(pool),
            What::PoolUp(pool) => {
                self.pools[pool].up = true;
                if let Some((up, _)) = self.rates.down.filter(|_| !self.healthy) {
                    let after = self.rng.wait(up);
                    self.after(after, What::PoolDown(pool));
                }
            }
            _ => {}
        }
    }

    /// The pool sends bytes on a connection.
    pub(crate) fn say(&mut self, id: ConnId, message: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served) else { return };
        if conn.babbling {
            // Nothing of this gets through.
            return conn.server.lost();
        }
        conn.server.on_its_way(conn.queued + message.len() as u64);
        self.send(id, message);
    }

    fn send(&mut self, id: ConnId, bytes: &[u8]) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queued += bytes.len() as u64;
        }
        for (gap, piece) in pieces(bytes, self.rates.cut_permille, &mut self.rng) {
            let Some(conn) = self.conns.get_mut(&id) else { return };
            if let Some((at, piece)) = conn.down.send(self.now, gap, piece, &self.rates, &mut self.rng) {
                self.at(at, What::ToClient(id, piece));
            }
        }
    }

    /// The pool closes a connection behind what it has said.
    pub(crate) fn close_by_pool(&mut self, id: ConnId, why: &'static str) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served) else { return };
        conn.served = false;
        if let Some((at, _)) = conn.down.send(self.now, MS, Vec::new(), &self.rates, &mut self.rng) {
            self.at(at, What::ClosedByPool(id, why));
        }
    }

    /// A request has reached the pool.
    pub(crate) fn serve(&mut self, id: ConnId, request: Request) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match (conn.fault, request) {
            (Some(ConnectFault::Mute), _) => {}
            (Some(ConnectFault::HoleAfterLogin), Request::Login { .. }) => {
                (conn.up.hole, conn.down.hole) = (true, true);
            }
            (fault, Request::Login { id: request }) => {
                self.serve_login(id, request);
                if fault == Some(ConnectFault::CloseAfterLogin) {
                    self.close_by_pool(id, "closed after the login");
                }
            }
            (_, Request::Keepalive { id: request }) => self.serve_keepalive(id, request),
            (_, Request::Submit { id: request, record }) => self.serve_share(id, request, record),
        }
    }

    fn serve_login(&mut self, id: ConnId, request: u64) {
        let fault = if self.healthy { None } else { self.rates.login.draw(&mut self.rng) };
        let refusal = match fault {
            Some(LoginFault::Never) => return,
            Some(LoginFault::NotReady) => Some("No block template yet"),
            Some(LoginFault::Refuse) => Some("Invalid payment address provided"),
            Some(LoginFault::Ban) => Some("Your IP is banned"),
            Some(LoginFault::NoAlgorithm) => Some("No compatible algorithm found"),
            _ => None,
        };
        let place = self.conns[&id].pool;
        if let Some(text) = refusal {
            self.pools[place].sent_away |= fault != Some(LoginFault::NotReady);
            let line = answer(&self.pools[place].habits, request, Err(text));
            return self.say(id, line.as_bytes());
        }
        if fault == Some(LoginFault::WrongShape) {
            let results =
                ["null", "[]", "{}", "{\"id\":null}", "{\"id\":{}}", "true", "\"OK\"", "{\"id\":[1]}"];
            let line = answer(&self.pools[place].habits, request, Ok(self.rng.pick(&results)));
            return self.say(id, line.as_bytes());
        }
        if fault == Some(LoginFault::JobFirst) {
            self.marks.hit(Mark::JobBeforeLogin);
            self.give_job(id, JobKind::Fresh);
        }
        let with_job =
            fault != Some(LoginFault::NoJob) && (fault != Some(LoginFault::JobFirst) || self.rng.one_in(2));
        let (Some(conn), pool) = (self.conns.get_mut(&id), &mut self.pools[place]) else { return };
        let job = with_job.then(|| conn.server.job(pool, &mut self.rng, JobKind::Fresh));
        let result = conn.server.login_result(pool, job.as_deref());
        let line = answer(&pool.habits, request, Ok(&result));
        self.say(id, line.as_bytes());
        if fault == Some(LoginFault::Twice) {
            self.say(id, line.as_bytes());
        }
        if fault == Some(LoginFault::NoJob) {
            let after = self.rng.below(20 * S);
            self.after(after, What::FirstJob(id));
        }
    }

    fn serve_keepalive(&mut self, id: ConnId, request: u64) {
        let place = self.conns[&id].pool;
        let mut habits = self.pools[place].habits.clone();
        if self.healthy && habits.keepalive == Keepalive::Close {
            habits.keepalive = Keepalive::Answer;
        }
        self.pools[place].broke_keepalive |= matches!(habits.keepalive, Keepalive::Error | Keepalive::Close);
        match keepalive_answer(&habits, request) {
            Some(line) => self.say(id, line.as_bytes()),
            None if habits.keepalive == Keepalive::Close => self.close_by_pool(id, "closed on a keepalive"),
            None => {}
        }
    }

    fn serve_share(&mut self, id: ConnId, request: u64, record: usize) {
        let conn = &self.conns[&id];
        let stale = conn.server.is_stale(&self.pools[conn.pool], record);
        let outcome = if stale { Err("Block expired") } else { Ok(()) };
        if !stale && record + 1 < conn.server.records.len() {
            self.marks.hit(Mark::OlderJobCredited);
        }
        let fault = if self.healthy { None } else { self.rates.reply.draw(&mut self.rng) };
        let (after, outcome, again) = match fault {
            None => (0, outcome, false),
            Some(ReplyFault::Never) => return,
            Some(ReplyFault::Twice) => (0, outcome, true),
            Some(ReplyFault::Reordered) => (self.rng.below(3 * S), outcome, false),
            Some(ReplyFault::Late) => (self.rng.between(18 * S, 100 * S), outcome, false),
            Some(ReplyFault::Refused) => (0, Err(self.rng.pick(&hostile::REFUSALS)), false),
            Some(ReplyFault::SessionExpired) => (0, Err("Unauthenticated"), false),
            Some(ReplyFault::Banned) => {
                let place = conn.pool;
                self.pools[place].sent_away = true;
                (0, Err("You are banned: too many invalid shares"), false)
            }
        };
        self.after(after, What::Answer(id, request, outcome));
        if again {
            // The second answer says the opposite now and then.
            let second = if self.rng.one_in(2) { Err("Duplicate share") } else { outcome };
            self.after(after, What::Answer(id, request, second));
        }
    }

    fn answer_share(&mut self, id: ConnId, request: u64, outcome: Result<(), &'static str>) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served) else { return };
        let pool = &mut self.pools[conn.pool];
        if conn.server.answered.insert(request) && outcome.is_ok() {
            pool.accepted += 1;
        }
        conn.server.submits.retain(|(submit, _)| *submit != request);
        let line = answer(&pool.habits, request, outcome.map(|()| "{\"status\":\"OK\"}"));
        self.say(id, line.as_bytes());
    }

    /// A job for one session, as a notification.
    fn give_job(&mut self, id: ConnId, kind: JobKind) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served) else { return };
        let pool = &mut self.pools[conn.pool];
        let before = conn.server.records.iter().rev().find(|record| record.usable).map(|record| record.key);
        let params = conn.server.job(pool, &mut self.rng, kind);
        let record = conn.server.records.last().map(|record| (record.usable, Some(record.key) == before));
        let mark = match (kind, record) {
            (JobKind::SameBlob, Some((true, true))) => Some(Mark::RetargetSameWork),
            (JobKind::SameId, _) => Some(Mark::SameIdNewContent),
            (JobKind::OldBlob, Some((_, false))) => Some(Mark::OldWorkAgain),
            (JobKind::Spoiled, Some((false, _))) => Some(Mark::SpoiledJob),
            _ => None,
        };
        mark.into_iter().for_each(|mark| self.marks.hit(mark));
        self.say(id, notification(&params).as_bytes());
    }

    pub(crate) fn next_job(&mut self, pool: usize) {
        let every = self.pools[pool].habits.job_every;
        let every = if self.healthy { every.clamp(HEALTHY_JOB_EVERY.0, HEALTHY_JOB_EVERY.1) } else { every };
        let after = self.rng.between(every / 2, every * 3 / 2);
        self.job_numbers[pool] += 1;
        self.after(after, What::JobDue(pool, self.job_numbers[pool]));
    }

    /// The pool's next job comes now.
    pub(crate) fn next_job_now(&mut self, pool: usize) {
        self.job_due(pool, self.job_numbers[pool]);
    }

    fn job_due(&mut self, pool: usize, number: u64) {
        if self.job_numbers[pool] != number {
            return;
        }
        self.pools[pool].new_template(&mut self.rng);
        for id in self.sessions_of(pool) {
            self.give_job(id, JobKind::Fresh);
        }
        self.next_job(pool);
    }

    fn sessions_of(&self, pool: usize) -> Vec<ConnId> {
        let all = self.conns.iter().filter(|(_, conn)| conn.pool == pool && conn.server.logged_in);
        all.map(|(id, _)| *id).collect()
    }

    fn pool_down(&mut self, place: usize) {
        let Some((_, down)) = self.rates.down.filter(|_| !self.healthy) else { return };
        let silent = self.rng.one_in(3);
        self.take_down(place, silent);
        let after = self.rng.wait(down);
        self.after(after, What::PoolUp(place));
    }

    /// The pool's machine fails: connections break, or simply nothing comes any more.
    pub(crate) fn take_down(&mut self, place: usize, silent: bool) {
        self.pools[place].up = false;
        self.pools[place].silent_when_down = silent;
        let all: Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| conn.pool == place).map(|(id, _)| *id).collect();
        for id in all {
            if silent {
                self.dig(id, true, true);
            } else {
                self.reset(id);
            }
        }
    }

    /// Breaks a connection off at once; what is on the way is lost.
    pub(crate) fn reset(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.served = false;
        if conn.open {
            let after = self.rates.latency;
            self.after(after, What::ClosedByPool(id, "reset"));
        } else {
            self.after(0, What::ConnectFailed(id, "reset"));
        }
    }

    /// What is sent from now on vanishes.
    pub(crate) fn dig(&mut self, id: ConnId, up: bool, down: bool) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.up.hole |= up;
            conn.down.hole |= down;
        }
    }

    fn mend(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (at, requests) = conn.up.mend(self.now);
        for request in requests {
            self.at(at, What::ToPool(id, request));
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (at, pieces) = conn.down.mend(self.now);
        let served = conn.served;
        let burst = pieces.concat();
        if !burst.is_empty() {
            self.at(at, What::ToClient(id, burst));
        }
        if !served {
            self.at(at, What::ClosedByPool(id, "reset"));
        }
    }

    fn net_fault(&mut self, id: ConnId) {
        if self.healthy || !self.conns.contains_key(&id) {
            return;
        }
        let again = self.rng.wait(self.rates.net_every);
        self.after(again, What::NetFault(id));
        match self.rates.net.draw(&mut self.rng) {
            None => {}
            Some(NetFault::Stall) => {
                let until = self.now + self.rng.scale(100 * MS, 10 * S);
                let both = self.rng.one_in(2);
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.down.stall(until);
                    if both {
                        conn.up.stall(until);
                    }
                }
            }
            Some(hole @ (NetFault::HoleDown | NetFault::HoleUp | NetFault::HoleBoth)) => {
                self.dig(id, hole != NetFault::HoleDown, hole != NetFault::HoleUp);
                // Half of them stay as they are until somebody notices.
                if self.rng.one_in(2) {
                    let after = self.rng.scale(S, 60 * S);
                    self.after(after, What::Mend(id));
                }
            }
            Some(NetFault::Reset) => self.reset(id),
            Some(NetFault::Close) => self.close_by_pool(id, "closed"),
            Some(NetFault::CloseMidLine) => self.close_mid_line(id),
        }
    }

    /// The last line of a connection has no end: it breaks off anywhere, or only the newline is missing.
    fn close_mid_line(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served && conn.server.logged_in) else {
            return;
        };
        if conn.babbling || conn.down.hole {
            return;
        }
        self.marks.hit(Mark::CutMidLine);
        let pool = &mut self.pools[conn.pool];
        let waiting = conn.server.submits.pop_front().filter(|_| self.rng.one_in(2));
        let line = match waiting {
            Some((request, _)) => {
                if conn.server.answered.insert(request) {
                    pool.accepted += 1;
                }
                answer(&pool.habits, request, Ok("{\"status\":\"OK\"}"))
            }
            None => notification(&conn.server.job(pool, &mut self.rng, JobKind::Fresh)),
        };
        let whole = line.len() as u64 - 1;
        let end = if self.rng.one_in(2) { whole } else { self.rng.between(1, whole) };
        conn.server.lost();
        self.send(id, &line.as_bytes()[..usize::try_from(end).unwrap()]);
        self.close_by_pool(id, "closed in the middle of a line");
    }

    fn deed(&mut self, id: ConnId) {
        if self.healthy || !self.conns.contains_key(&id) {
            return;
        }
        let again = self.rng.wait(self.rates.deed_every);
        self.after(again, What::Deed(id));
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.server.logged_in && conn.served) else {
            return;
        };
        let place = conn.pool;
        let Some(deed) = self.rates.deeds.draw(&mut self.rng) else { return };
        let usual = self.pools[place].difficulty;
        match deed {
            Deed::NewBlock => self.give_job(id, JobKind::Fresh),
            Deed::Retarget => {
                conn.server.difficulty = self.rng.scale(usual.div_ceil(4), usual * 4);
                self.give_job(id, JobKind::SameBlob);
            }
            Deed::EasyTarget | Deed::HardTarget => {
                conn.server.difficulty = if deed == Deed::EasyTarget { 1 } else { u32::MAX.into() };
                self.give_job(id, JobKind::SameBlob);
                // The next job is an ordinary one again.
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.server.difficulty = usual;
                }
            }
            Deed::SpoiledJob => self.give_job(id, JobKind::Spoiled),
            Deed::SameIdNewContent => {
                self.pools[place].new_template(&mut self.rng);
                self.give_job(id, JobKind::SameId);
            }
            Deed::RepeatedJob => {
                if let Some(params) = conn.server.repeated() {
                    self.say(id, notification(&params).as_bytes());
                }
            }
            Deed::OldWorkAgain => self.give_job(id, JobKind::OldBlob),
            Deed::SeedChange => {
                self.marks.hit(Mark::SeedChange);
                self.pools[place].new_seed(&mut self.rng);
                self.give_job(id, JobKind::Fresh);
            }
            Deed::JobStorm => {
                self.marks.hit(Mark::JobStorm);
                for _ in 0..self.rng.scale(10, 100) {
                    self.give_job(id, JobKind::Fresh);
                }
            }
            Deed::Glued => {
                let pool = &mut self.pools[place];
                let job = notification(&conn.server.job(pool, &mut self.rng, JobKind::Fresh));
                let noise = hostile::unknown_method(&mut self.rng);
                self.say(id, format!("{}{job}", noise.trim_end()).as_bytes());
            }
            Deed::Close => self.close_by_pool(id, "closed by the pool"),
            Deed::Drip => {
                let job =
                    notification(&conn.server.job(&mut self.pools[place], &mut self.rng, JobKind::Fresh));
                self.begin_babble(id, &job.as_bytes()[..40], 1, 30);
            }
            Deed::EndlessLine => self.begin_babble(id, b"{\"x\":\"", ENDLESS.0, ENDLESS.1),
            Deed::Flood => self.begin_babble(id, b"{}\n", FLOOD.0, FLOOD.1),
            Deed::OtherAlgorithm => {
                self.pools[place].sent_away = true;
                let params = conn.server.repeated().unwrap_or_default();
                self.say(id, notification(&params.replace("rx/0", "rx/wow")).as_bytes());
            }
            noise => {
                let line = self.noise(place, noise);
                self.say(id, &line);
            }
        }
    }

    fn noise(&mut self, place: usize, deed: Deed) -> Vec<u8> {
        let line = match deed {
            Deed::UnknownMethod => hostile::unknown_method(&mut self.rng),
            Deed::UnknownReply => {
                self.marks.hit(Mark::UnknownReply);
                hostile::unknown_reply(&mut self.rng)
            }
            Deed::WrongShape => hostile::wrong_shape(&mut self.rng),
            Deed::JsonBomb => hostile::bomb(&mut self.rng),
            Deed::ShowMessage => hostile::show_message(&mut self.rng),
            Deed::Reconnect | Deed::ReconnectElsewhere => {
                self.redirect(place, deed == Deed::ReconnectElsewhere)
            }
            _ => return hostile::garbage(&mut self.rng),
        };
        line.into_bytes()
    }

    fn redirect(&mut self, place: usize, elsewhere: bool) -> String {
        let own = self.pools[place].host.clone();
        let hosts = if elsewhere {
            ["evil.test".into(), "10.0.0.1".into(), format!("other.{own}")]
        } else {
            [own.clone(), own.to_uppercase(), String::new()]
        };
        let host = hosts[usize::try_from(self.rng.below(3)).unwrap()].clone();
        // Where there is another pool, a long wait keeps nobody from mining.
        let longest = if self.pools.len() > 1 { u64::MAX } else { 5 };
        let wait = self.rng.pick(&[0, 1, longest]);
        self.pools[place].sent_away |= wait == u64::MAX;
        let port = self.rng.pick(&["3333", "\"4444\"", "0", "70000", "null"]);
        let params = match self.rng.below(4) {
            0 => "[]".to_owned(),
            1 => format!("[\"{host}\"]"),
            _ => format!("[\"{host}\",{port},{wait}]"),
        };
        format!("{{\"id\":null,\"method\":\"client.reconnect\",\"params\":{params}}}\n")
    }

    fn begin_babble(&mut self, id: ConnId, start: &[u8], piece: usize, times: u32) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.server.lost();
        if std::mem::replace(&mut conn.babbling, true) {
            return;
        }
        // Whole lines for a flood, one endless line otherwise.
        let filler = match start.ends_with(b"\n") {
            true => format!("{{\"method\":\"{:983}\"}}\n", "x").repeat(piece / 1000).into_bytes(),
            false => vec![b'x'; piece],
        };
        self.send(id, start);
        self.after(MS, What::Babble(id, filler, times));
    }

    fn babble(&mut self, id: ConnId, piece: Vec<u8>, left: u32) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.served) else { return };
        if left == 0 || self.healthy {
            // The line ends after all.
            conn.babbling = false;
            return self.send(id, b"\n");
        }
        let every = if piece.len() > 1 { 100 * MS } else { S / 2 };
        self.send(id, &piece);
        self.after(every, What::Babble(id, piece, left - 1));
    }

    /// Nothing fails from now on, and what has failed recovers.
    pub(crate) fn end_faults(&mut self) {
        self.trace.note(self.now, [15, 0, 0], || "faults end".into());
        self.healthy = true;
        self.checks.healthy_since = Some(self.now);
        let rates = &mut self.rates;
        rates.latency = rates.latency.min(100 * MS);
        rates.jitter = rates.jitter.min(50 * MS);
        rates.cut_permille = 0;
        let total_hs = rates.devices.speed_hs * u64::from(rates.devices.workers);
        for place in 0..self.pools.len() {
            self.pools[place].up = true;
            self.pools[place].difficulty = total_hs;
            self.next_job(place);
        }
        let all: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in all {
            self.mend(id);
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.server.difficulty = total_hs;
            if conn.fault == Some(ConnectFault::Mute) {
                self.reset(id);
            } else if conn.server.logged_in && !conn.babbling {
                self.give_job(id, JobKind::Fresh);
            }
        }
        self.miner.heal(self.now, &mut self.rng, &mut self.marks);
        self.grant_wishes();
    }
}

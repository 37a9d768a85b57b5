//! Promises with a number in them, each in a world made for it. What is drawn from the seed are delays and moments.

use rminer_stratum::bugs::Bugs;
use rminer_stratum::rng::Rng;
use rminer_stratum::supervisor::ConnId;

use crate::dice::{Dice, Mix};
use crate::marks::Mark;
use crate::rates::{ConnectFault, Keepalive, LoginFault, MS, NiceHash, Rates, S, Us};
use crate::world::{Story, World};

/// Seeds of each scenario.
const SEEDS: u64 = 50;

type Verdict = Result<(), String>;

fn world(seed: u64, mut rates: Rates, bugs: Bugs) -> World {
    let mut rng = Rng::new(seed);
    rates.latency = rng.scale(MS, 100 * MS);
    rates.jitter = rng.scale(MS, 50 * MS);
    World::new(rates, rng, bugs)
}

fn every_seed(scenario: impl Fn(u64, Bugs) -> Verdict) {
    for seed in 0..SEEDS {
        if let Err(what) = scenario(seed, Bugs::default()) {
            panic!("seed {seed}: {what}");
        }
    }
}

impl World {
    fn all(&self) -> Vec<ConnId> {
        self.conns.keys().copied().collect()
    }

    /// When this happened first after `since`.
    fn first(&self, since: Us, wanted: impl Fn(Story) -> bool) -> Option<Us> {
        self.story.iter().find(|(at, story)| *at >= since && wanted(*story)).map(|(at, _)| *at)
    }

    fn count(&self, wanted: Story) -> usize {
        self.story.iter().filter(|(_, story)| *story == wanted).count()
    }

    /// Ends the run; every check has passed.
    fn ends_well(&mut self) -> Verdict {
        self.stop();
        self.checks.failure.clone().map_or(Ok(()), |failure| Err(format!("at {} s: {failure}", self.now / S)))
    }
}

fn demand(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// It came, and not later than that.
fn within(what: &str, since: Us, came: Option<Us>, limit: Us) -> Result<Us, String> {
    let came = came.ok_or(format!("{what}: never"))?;
    demand(came - since <= limit, || format!("{what}: after {} ms", (came - since) / MS))?;
    Ok(came)
}

#[test]
fn a_broken_connection_costs_two_seconds() {
    every_seed(|seed, bugs| {
        let mut world = world(seed, Rates::calm(1), bugs);
        let broken = world.rng.between(5 * S, 100 * S);
        world.run_until(broken);
        world.all().into_iter().for_each(|id| world.reset(id));
        world.run_until(broken + 30 * S);
        let noticed = world.first(broken, |story| story == Story::NoJob).ok_or("not noticed")?;
        within("the next job", noticed, world.first(noticed, |story| story == Story::Job(0)), 2 * S)?;
        world.ends_well()
    });
}

/// With shares under way silence is noticed by them, without any by the keepalive.
fn silence_is_noticed(seed: u64, bugs: Bugs) -> Verdict {
    for (share_every, limit) in [(S / 2, 40 * S), (100_000 * S, 90 * S)] {
        let mut rates = Rates::calm(1);
        rates.share_every = share_every;
        let mut world = world(seed, rates, bugs);
        let (up, down) = world.rng.pick(&[(true, true), (true, true), (false, true)]);
        let moment = world.rng.between(0, 70 * S);
        world.run_until(moment);
        world.all().into_iter().for_each(|id| world.dig(id, up, down));
        // What was on the way still arrives.
        world.run_until(moment + S);
        let silent = world.conns.values().map(|conn| conn.heard).max().unwrap_or(moment);
        world.run_until(moment + 100 * S);
        within("notice", silent, world.first(moment, |story| story == Story::Down(0)), limit)?;
        world.ends_well()?;
    }
    Ok(())
}

#[test]
fn silence_is_noticed_in_time() {
    every_seed(silence_is_noticed);
}

#[test]
fn a_quiet_pool_that_answers_keepalives_is_kept() {
    every_seed(|seed, bugs| {
        let mut rates = Rates::calm(1);
        rates.share_every = 100_000 * S;
        rates.pools[0].job_every = 10_000 * S;
        let mut world = world(seed, rates, bugs);
        world.run_until(1000 * S);
        demand(world.count(Story::Down(0)) == 0, || "dropped".into())?;
        demand(world.marks.count(Mark::Keepalive) >= 15, || "hardly any keepalive".into())?;
        world.ends_well()
    });
}

#[test]
fn a_pool_that_closes_on_keepalives_gets_none() {
    every_seed(|seed, bugs| {
        let mut rates = Rates::calm(1);
        rates.share_every = 100_000 * S;
        rates.pools[0].job_every = 10_000 * S;
        rates.pools[0].keepalive = Keepalive::Close;
        let mut world = world(seed, rates, bugs);
        world.run_until(500 * S);
        demand(world.count(Story::Down(0)) == 2, || format!("{} closes", world.count(Story::Down(0))))?;
        demand(world.marks.count(Mark::Keepalive) == 2, || "goes on with keepalives".into())?;
        world.ends_well()
    });
}

/// The primary dies and comes back.
pub(crate) fn fails_over_and_returns(seed: u64, bugs: Bugs) -> Verdict {
    let mut rates = Rates::calm(2 + usize::try_from(seed % 2).unwrap_or(0));
    rates.share_every = S / 2;
    let mut world = world(seed, rates, bugs);
    let dies = world.rng.between(5 * S, 100 * S);
    world.run_until(dies);
    let silent = world.rng.one_in(2);
    world.take_down(0, silent);
    world.run_until(dies + 200 * S);
    let noticed = within("notice", dies, world.first(dies, |story| story == Story::Down(0)), 40 * S)?;
    let elsewhere = |story| matches!(story, Story::Accepted(pool) if pool > 0);
    within("a share elsewhere", noticed, world.first(noticed, elsewhere), 20 * S)?;
    world.pools[0].up = true;
    let back = world.now;
    world.run_until(back + 120 * S);
    let returned = within("the return", back, world.first(back, |story| story == Story::Job(0)), 90 * S)?;
    demand(world.first(back, |story| story == Story::NoJob).is_none(), || "a gap at the return".into())?;
    within("a share again", returned, world.first(returned, |story| story == Story::Accepted(0)), 20 * S)?;
    demand(world.conns.len() == 1, || format!("{} connections are left", world.conns.len()))?;
    world.ends_well()
}

#[test]
fn a_dead_primary_is_left_and_taken_back() {
    every_seed(fails_over_and_returns);
}

/// A person wants a fall-back mined, which dies later and comes back: it is mined again, and the first pool is only
/// while it is gone.
#[test]
fn a_switch_by_hand_is_without_a_gap_and_lasts() {
    every_seed(|seed, bugs| {
        let mut rates = Rates::calm(2 + usize::try_from(seed % 2).unwrap_or(0));
        rates.share_every = S / 2;
        let mut world = world(seed, rates, bugs);
        let other = world.pools.len() - 1;
        let asked = world.rng.between(20 * S, 100 * S);
        world.run_until(asked);
        world.switch(other);
        world.run_until(asked + 120 * S);
        within("the switch", asked, world.first(asked, |story| story == Story::Job(other)), 5 * S)?;
        demand(world.first(asked, |story| story == Story::NoJob).is_none(), || "a gap at the switch".into())?;
        demand(world.conns.len() == 1, || format!("{} connections are left", world.conns.len()))?;
        let dies = world.now;
        world.take_down(other, seed % 3 == 0);
        world.run_until(dies + 100 * S);
        let noticed = within("notice", dies, world.first(dies, |story| story == Story::Down(other)), 40 * S)?;
        let first = |story| matches!(story, Story::Accepted(pool) if pool != other);
        within("a share elsewhere", noticed, world.first(noticed, first), 20 * S)?;
        world.pools[other].up = true;
        let back = world.now;
        world.run_until(back + 120 * S);
        within("the return", back, world.first(back, |story| story == Story::Job(other)), 90 * S)?;
        world.ends_well()
    });
}

#[test]
fn a_dead_pool_is_left_in_peace() {
    let faults = [
        ConnectFault::Refuse,
        ConnectFault::SilentDrop,
        ConnectFault::Mute,
        ConnectFault::CloseAtOnce,
        ConnectFault::CloseAfterLogin,
        ConnectFault::SpeakTls,
        ConnectFault::HoleAfterLogin,
    ];
    for fault in faults {
        for seed in 0..SEEDS / 5 {
            let mut rates = Rates::calm(1);
            rates.connect = Mix::always(fault);
            let mut world = world(seed, rates, Bugs::default());
            world.run_until(600 * S);
            // That there are no more than forty is checked at each connect.
            let connects = world.count(Story::Connect(0));
            assert!(connects >= 10, "{fault:?}: gives up after {connects}");
            world.ends_well().unwrap();
        }
    }
}

#[test]
fn a_ban_is_respected_and_ends() {
    every_seed(|seed, bugs| {
        let mut rates = Rates::calm(1);
        rates.login = Mix::always(LoginFault::Ban);
        let mut world = world(seed, rates, bugs);
        world.run_until(590 * S);
        world.rates.login = Mix::NEVER;
        world.run_until(620 * S);
        demand(world.count(Story::Connect(0)) == 2, || {
            format!("{} connects", world.count(Story::Connect(0)))
        })?;
        demand(world.count(Story::Accepted(0)) > 0, || "does not mine after the ban".into())?;
        world.ends_well()
    });
}

#[test]
fn an_empty_nonce_space_is_not_begun_again() {
    // Every hash is computed, so few seeds.
    for seed in 0..2 {
        let mut rates = Rates::calm(1);
        rates.pools[0].nicehash = NiceHash::Announced;
        rates.pools[0].job_every = 100_000 * S;
        rates.devices.speed_hs = 1_000_000;
        rates.share_every = 2 * S;
        let mut world = world(seed, rates, Bugs::default());
        world.run_until(12 * S);
        assert!(world.miner.exhausted > 0, "2^24 nonces last {} s", (1 << 24) / 2_000_000);
        let before = world.checks.handed;
        world.run_until(40 * S);
        assert_eq!(world.checks.handed, before, "goes on without nonces");
        world.next_job_now(0);
        world.run_until(44 * S);
        assert!(world.checks.handed > before, "the next job is not taken up");
        world.ends_well().unwrap();
    }
}

#[test]
fn one_blob_for_all_sessions_makes_no_duplicates() {
    every_seed(|seed, bugs| {
        let mut rates = Rates::calm(1);
        rates.pools[0].shared_blob = true;
        rates.pools[0].job_every = 100_000 * S;
        rates.share_every = S / 4;
        let mut world = world(seed, rates, bugs);
        for _ in 0..10 {
            let until = world.now + world.rng.between(S, 5 * S);
            world.run_until(until);
            world.all().into_iter().for_each(|id| world.reset(id));
        }
        demand(world.count(Story::Accepted(0)) > 20, || "hardly any share".into())?;
        world.ends_well()
    });
}

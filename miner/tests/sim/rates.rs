//! What kind of world a run lives in. Drawn first of all from the seed: most runs have few kinds of trouble and
//! some have one kind at a high rate, which reaches more than a little of everything always would.

use rminer_stratum::RedirectPolicy;
use rminer_stratum::rng::Rng;

use crate::dice::{Dice, Mix};

/// Microseconds of virtual time.
pub(crate) type Us = u64;
/// A second.
pub(crate) const S: Us = 1_000_000;
/// A millisecond.
pub(crate) const MS: Us = 1000;

/// What becomes of a try to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectFault {
    Refuse,
    SilentDrop,
    Mute,
    CloseAtOnce,
    CloseAfterLogin,
    SpeakTls,
    HoleAfterLogin,
}

/// What the network does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetFault {
    Stall,
    HoleDown,
    HoleUp,
    HoleBoth,
    Reset,
    Close,
    CloseMidLine,
}

/// How a pool answers a login, other than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginFault {
    Never,
    Twice,
    NoJob,
    JobFirst,
    NotReady,
    WrongShape,
    Refuse,
    Ban,
    NoAlgorithm,
}

/// How a pool answers a share, other than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyFault {
    Never,
    Twice,
    /// Behind other replies.
    Reordered,
    /// Behind the client's patience.
    Late,
    Refused,
    SessionExpired,
    Banned,
}

/// What a pool does on its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    NewBlock,
    Retarget,
    EasyTarget,
    HardTarget,
    SpoiledJob,
    SameIdNewContent,
    RepeatedJob,
    OldWorkAgain,
    SeedChange,
    JobStorm,
    UnknownMethod,
    UnknownReply,
    Garbage,
    WrongShape,
    Drip,
    EndlessLine,
    Flood,
    JsonBomb,
    Reconnect,
    ReconnectElsewhere,
    ShowMessage,
    OtherAlgorithm,
    Glued,
    Close,
}

/// What a pool does about `keepalived`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keepalive {
    Answer,
    Error,
    Silent,
    Close,
}

/// How a pool keeps the top byte of the nonce for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NiceHash {
    No,
    /// The list of extensions says so.
    Announced,
    /// Only the nonce in the blob says so.
    InBlob,
}

/// How a pool writes its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetText {
    FourBytes,
    EightBytes,
    WholeHash,
}

/// Ways in which pools differ without being at fault.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    pub(crate) keepalive: Keepalive,
    pub(crate) nicehash: NiceHash,
    pub(crate) target: TargetText,
    pub(crate) numeric_ids: bool,
    pub(crate) names_algorithm: bool,
    /// All sessions get one blob, again after a reconnect.
    pub(crate) shared_blob: bool,
    pub(crate) keep_jobs: usize,
    /// Which shape errors have.
    pub(crate) error_shape: u64,
    /// Ids of replies come back as text.
    pub(crate) string_ids: bool,
    pub(crate) job_every: Us,
    pub(crate) verified: bool,
    pub(crate) redirect: RedirectPolicy,
}

/// What devices do wrong.
#[derive(Debug, Clone)]
pub(crate) struct DeviceRates {
    pub(crate) workers: u16,
    pub(crate) speed_hs: u64,
    pub(crate) slice: Us,
    pub(crate) load: Us,
    pub(crate) wrong_permille: u64,
    pub(crate) above_permille: u64,
    pub(crate) twice_permille: u64,
    pub(crate) late_permille: u64,
    /// Per slice.
    pub(crate) hang_per_million: u64,
    pub(crate) lose_per_million: u64,
}

/// The whole world.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) pools: Vec<Habits>,
    pub(crate) retries: Option<u32>,
    pub(crate) latency: Us,
    pub(crate) jitter: Us,
    /// Messages that are cut into pieces.
    pub(crate) cut_permille: u64,
    pub(crate) connect: Mix<ConnectFault>,
    pub(crate) login: Mix<LoginFault>,
    pub(crate) reply: Mix<ReplyFault>,
    /// Each connection draws after such times.
    pub(crate) net: Mix<NetFault>,
    pub(crate) net_every: Us,
    /// Each session draws after such times.
    pub(crate) deeds: Mix<Deed>,
    pub(crate) deed_every: Us,
    /// Mean time of a pool between two failures, and how long it is down.
    pub(crate) down: Option<(Us, Us)>,
    pub(crate) devices: DeviceRates,
    /// Mean time between shares.
    pub(crate) share_every: Us,
    pub(crate) sleep: bool,
}

impl Habits {
    /// An ordinary pool.
    pub(crate) fn ordinary() -> Self {
        Self {
            keepalive: Keepalive::Answer,
            nicehash: NiceHash::No,
            target: TargetText::EightBytes,
            numeric_ids: false,
            names_algorithm: true,
            shared_blob: false,
            keep_jobs: 4,
            error_shape: 0,
            string_ids: false,
            job_every: 20 * S,
            verified: false,
            redirect: RedirectPolicy::SameHost,
        }
    }

    fn drawn(rng: &mut Rng) -> Self {
        let plain = rng.one_in(2);
        let redirect = [RedirectPolicy::SameHost, RedirectPolicy::SameDomain, RedirectPolicy::Any];
        Self {
            keepalive: match rng.below(8) {
                0 => Keepalive::Error,
                1 => Keepalive::Silent,
                2 => Keepalive::Close,
                _ => Keepalive::Answer,
            },
            nicehash: match rng.below(6) {
                0 => NiceHash::Announced,
                1 => NiceHash::InBlob,
                _ => NiceHash::No,
            },
            target: rng.pick(&[TargetText::FourBytes, TargetText::EightBytes, TargetText::WholeHash]),
            numeric_ids: !plain && rng.one_in(2),
            names_algorithm: plain || rng.one_in(2),
            shared_blob: !plain && rng.one_in(2),
            keep_jobs: usize::try_from(rng.between(2, 8)).unwrap(),
            error_shape: if plain { 0 } else { rng.below(5) },
            string_ids: !plain && rng.one_in(2),
            job_every: rng.scale(100 * MS, 120 * S),
            verified: rng.one_in(2),
            redirect: rng.pick(&redirect),
        }
    }
}

impl Rates {
    /// Nothing ever goes wrong.
    pub(crate) fn calm(pools: usize) -> Self {
        Self {
            pools: vec![Habits::ordinary(); pools],
            retries: None,
            latency: 20 * MS,
            jitter: 5 * MS,
            cut_permille: 0,
            connect: Mix::NEVER,
            login: Mix::NEVER,
            reply: Mix::NEVER,
            net: Mix::NEVER,
            net_every: 10 * S,
            deeds: Mix::NEVER,
            deed_every: 10 * S,
            down: None,
            devices: DeviceRates {
                workers: 2,
                speed_hs: 500,
                slice: 100 * MS,
                load: 500 * MS,
                wrong_permille: 0,
                above_permille: 0,
                twice_permille: 0,
                late_permille: 0,
                hang_per_million: 0,
                lose_per_million: 0,
            },
            share_every: S,
            sleep: false,
        }
    }

    /// The world of a seed.
    pub(crate) fn drawn(rng: &mut Rng) -> Self {
        let rare = |rng: &mut Rng, most: u64| if rng.one_in(2) { rng.below(most + 1) } else { 0 };
        let pools = rng.between(1, 3);
        let mut rates = Self {
            pools: (0..pools).map(|_| Habits::drawn(rng)).collect(),
            retries: rng.one_in(16).then(|| u32::try_from(rng.between(1, 6)).unwrap()),
            latency: rng.scale(MS, 500 * MS),
            jitter: rng.scale(MS, 500 * MS),
            cut_permille: rare(rng, 1000),
            connect: Mix::drawn(
                rng,
                500,
                &[
                    ConnectFault::Refuse,
                    ConnectFault::SilentDrop,
                    ConnectFault::Mute,
                    ConnectFault::CloseAtOnce,
                    ConnectFault::CloseAfterLogin,
                    ConnectFault::SpeakTls,
                    ConnectFault::HoleAfterLogin,
                ],
            ),
            login: Mix::drawn(rng, 500, &LOGIN_FAULTS),
            reply: Mix::drawn(rng, 500, &REPLY_FAULTS),
            net: Mix::drawn(
                rng,
                1000,
                &[
                    NetFault::Stall,
                    NetFault::HoleDown,
                    NetFault::HoleUp,
                    NetFault::HoleBoth,
                    NetFault::Reset,
                    NetFault::Close,
                    NetFault::CloseMidLine,
                ],
            ),
            net_every: rng.scale(2 * S, 60 * S),
            deeds: Mix::drawn(rng, 1000, &DEEDS),
            deed_every: rng.scale(S / 2, 60 * S),
            down: rng.one_in(3).then(|| (rng.scale(5 * S, 60 * S), rng.scale(S, 60 * S))),
            devices: DeviceRates {
                workers: u16::try_from(rng.between(1, 3)).unwrap(),
                speed_hs: rng.scale(100, 1000),
                slice: rng.scale(20 * MS, 500 * MS),
                load: if rng.one_in(8) { 30 * S } else { rng.scale(MS, 3 * S) },
                wrong_permille: rare(rng, 50),
                above_permille: rare(rng, 50),
                twice_permille: rare(rng, 100),
                late_permille: rare(rng, 100),
                hang_per_million: rare(rng, 3000),
                lose_per_million: rare(rng, 3000),
            },
            share_every: rng.scale(100 * MS, 60 * S),
            sleep: rng.one_in(8),
        };
        // Silence has its own dangers, and shares would break it.
        if rng.one_in(6) {
            rates.share_every = rng.scale(30 * S, 200 * S);
            rates.pools.iter_mut().for_each(|habits| habits.job_every = rng.between(60 * S, 120 * S));
        }
        // Words after which a pool rests for ten minutes would end most runs early.
        if rng.below(5) > 0 {
            rates.login.never(&[LoginFault::Refuse, LoginFault::Ban, LoginFault::NoAlgorithm]);
            rates.reply.never(&[ReplyFault::Banned]);
            rates.deeds.never(&[Deed::OtherAlgorithm]);
        }
        // Twelve megabytes each.
        if rng.below(8) > 0 {
            rates.deeds.never(&[Deed::Flood]);
        }
        rates
    }
}

const LOGIN_FAULTS: [LoginFault; 9] = [
    LoginFault::Never,
    LoginFault::Twice,
    LoginFault::NoJob,
    LoginFault::JobFirst,
    LoginFault::NotReady,
    LoginFault::WrongShape,
    LoginFault::Refuse,
    LoginFault::Ban,
    LoginFault::NoAlgorithm,
];

const REPLY_FAULTS: [ReplyFault; 7] = [
    ReplyFault::Never,
    ReplyFault::Twice,
    ReplyFault::Reordered,
    ReplyFault::Late,
    ReplyFault::Refused,
    ReplyFault::SessionExpired,
    ReplyFault::Banned,
];

const DEEDS: [Deed; 24] = [
    Deed::NewBlock,
    Deed::Retarget,
    Deed::EasyTarget,
    Deed::HardTarget,
    Deed::SpoiledJob,
    Deed::SameIdNewContent,
    Deed::RepeatedJob,
    Deed::OldWorkAgain,
    Deed::SeedChange,
    Deed::JobStorm,
    Deed::UnknownMethod,
    Deed::UnknownReply,
    Deed::Garbage,
    Deed::WrongShape,
    Deed::Drip,
    Deed::EndlessLine,
    Deed::Flood,
    Deed::JsonBomb,
    Deed::Reconnect,
    Deed::ReconnectElsewhere,
    Deed::ShowMessage,
    Deed::OtherAlgorithm,
    Deed::Glued,
    Deed::Close,
];

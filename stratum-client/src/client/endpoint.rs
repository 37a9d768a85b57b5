//! From the configuration of a pool to what the supervisor needs of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ring::rand::{SecureRandom as _, SystemRandom};
use rminer_algos::{Family, Variant, encode_hex};

use super::ClientError;
use crate::address::Payout;
use crate::connect::PROXY_PATIENCE;
use crate::dialect::bitcoin::{Bitcoin, BitcoinConfig};
use crate::dialect::gbt::{Gbt, GbtConfig};
use crate::dialect::kaspa::{Kaspa, KaspaConfig};
use crate::dialect::kaspad::{Kaspad, KaspadConfig};
use crate::dialect::monero::{Monero, MoneroConfig};
use crate::dialect::monerod::{Later, Monerod, MonerodConfig, V2_MAJOR};
use crate::dialect::{Dialect, HttpReply, Limits, Outbox, ProtocolError, Provocation};
use crate::endpoint::{Credentials, PoolConfig, Protocol, TlsPolicy, Toggle};
use crate::job::Share;
use crate::ledger::ShareId;
use crate::pool::{Endpoint, Hints, MakeDialect};

/// What the supervisor needs of `pool`.
pub(crate) fn endpoint(pool: &PoolConfig) -> Result<Endpoint, ClientError> {
    let policy_verifies = match pool.tls {
        TlsPolicy::Verify | TlsPolicy::Pin(_) => true,
        // The first certificate was anybody's.
        TlsPolicy::Tofu => false,
    };
    Ok(Endpoint {
        host: pool.url.host().to_string(),
        port: pool.url.port(),
        verified: pool.url.transport().is_encrypted() && policy_verifies,
        redirect: pool.redirect,
        dialect: dialect(pool)?,
    })
}

/// Makes a dialect for each connection with `pool`.
pub(crate) fn dialect(pool: &PoolConfig) -> Result<MakeDialect, ClientError> {
    match pool.url.protocol() {
        Protocol::Stratum => stratum(pool),
        Protocol::Monerod => {
            let mut extra_nonce = [0; 8];
            SystemRandom::new().fill(&mut extra_nonce).map_err(|_| ClientError::NoRandom)?;
            let wallet = pool.credentials.user.clone();
            let (algorithm, by_version) = (pool.algorithm, pool.randomx_v2_by_block_version);
            let v2 = pool.also.iter().find(|also| also.variant == Variant::V2).filter(|_| by_version);
            let later = v2.map(|algorithm| Later { major: V2_MAJOR, algorithm });
            let config = MonerodConfig { wallet, extra_nonce, algorithm, later };
            Ok(Box::new(move |_| -> Box<dyn Dialect> { Box::new(Monerod::new(config.clone())) }))
        }
        Protocol::Gbt => {
            let mut extranonce1 = [0; 4];
            SystemRandom::new().fill(&mut extranonce1).map_err(|_| ClientError::NoRandom)?;
            let payout = Payout::parse(&pool.credentials.user).map_err(ClientError::Payout)?;
            let (version_mask, algorithm) = (pool.bitcoin.version_mask, pool.algorithm);
            let config = GbtConfig { payout, extranonce1, version_mask, algorithm };
            Ok(Box::new(move |_| -> Box<dyn Dialect> { Box::new(Gbt::new(config.clone())) }))
        }
        Protocol::Kaspad if !cfg!(feature = "kaspad") => {
            Err(ClientError::NotBuilt { what: "solo mining with a Kaspa node", feature: "kaspad" })
        }
        Protocol::Kaspad => {
            let mut own = [0; 4];
            SystemRandom::new().fill(&mut own).map_err(|_| ClientError::NoRandom)?;
            let config = KaspadConfig {
                address: pool.credentials.user.clone(),
                extra_data: format!("rminer/{}/{}", env!("CARGO_PKG_VERSION"), encode_hex(&own)),
                algorithm: pool.algorithm,
                patience: if pool.proxy.is_some() { PROXY_PATIENCE } else { 1 },
            };
            Ok(Box::new(move |_| -> Box<dyn Dialect> { Box::new(Kaspad::new(config.clone())) }))
        }
    }
}

fn stratum(pool: &PoolConfig) -> Result<MakeDialect, ClientError> {
    match pool.algorithm.family {
        Family::Bitcoin => {
            let config = bitcoin(pool);
            let proxied = pool.proxy.is_some();
            let mut seed = [0; 8];
            SystemRandom::new().fill(&mut seed).map_err(|_| ClientError::NoRandom)?;
            // Each connection starts elsewhere in its extranonce.
            let connections = AtomicU64::new(u64::from_le_bytes(seed));
            Ok(Box::new(move |hints: Hints| -> Box<dyn Dialect> {
                let seed = connections.fetch_add(1, Ordering::Relaxed);
                let extranonce_subscribe = config.extranonce_subscribe && hints.extranonce_subscribe;
                let plain = !hints.extensions;
                let dialect =
                    Bitcoin::new(BitcoinConfig { seed, extranonce_subscribe, plain, ..config.clone() });
                if proxied { Box::new(Patient(dialect)) } else { Box::new(dialect) }
            }))
        }
        Family::Kaspa => {
            let config = kaspa(pool);
            let proxied = pool.proxy.is_some();
            Ok(Box::new(move |_| -> Box<dyn Dialect> {
                let dialect = Kaspa::new(config.clone());
                if proxied { Box::new(Patient(dialect)) } else { Box::new(dialect) }
            }))
        }
        Family::Monero => {
            let config = monero(pool);
            let proxied = pool.proxy.is_some();
            Ok(Box::new(move |hints: Hints| -> Box<dyn Dialect> {
                let keepalive = config.keepalive && hints.keepalive;
                let dialect = Monero::new(MoneroConfig { keepalive, ..config.clone() });
                if proxied { Box::new(Patient(dialect)) } else { Box::new(dialect) }
            }))
        }
    }
}

fn bitcoin(pool: &PoolConfig) -> BitcoinConfig {
    BitcoinConfig {
        user: user_with_rig(&pool.credentials),
        pass: pool.credentials.pass.clone(),
        agent: agent(),
        algorithm: pool.algorithm,
        options: pool.bitcoin.clone(),
        extranonce_subscribe: match pool.bitcoin.extranonce_subscribe {
            Toggle::On => true,
            Toggle::Off => false,
            Toggle::Auto => pool.url.wants_extranonce() || pool.url.host().to_string().contains("nicehash"),
        },
        plain: false,
        seed: 0,
    }
}

fn kaspa(pool: &PoolConfig) -> KaspaConfig {
    KaspaConfig {
        user: user_with_rig(&pool.credentials),
        pass: pool.credentials.pass.clone(),
        // Bridges choose their way of speaking by words in it, so it has as few as can be.
        agent: format!("rminer/{}", env!("CARGO_PKG_VERSION")),
        algorithm: pool.algorithm,
        patience: if pool.proxy.is_some() { PROXY_PATIENCE } else { 1 },
    }
}

fn monero(pool: &PoolConfig) -> MoneroConfig {
    MoneroConfig {
        login: pool.credentials.user.clone(),
        pass: pool.credentials.pass.clone(),
        rig_id: pool.credentials.rig_id.clone(),
        agent: agent(),
        algorithm: pool.algorithm,
        also: pool.also.clone(),
        nicehash: match pool.nicehash {
            Toggle::Auto => None,
            Toggle::On => Some(true),
            Toggle::Off => Some(false),
        },
        keepalive: pool.keepalive != Toggle::Off,
    }
}

/// Where there is no field for the rig: all pools read it behind a point.
fn user_with_rig(Credentials { user, rig_id, .. }: &Credentials) -> String {
    rig_id.as_ref().map_or(user.clone(), |rig| format!("{user}.{rig}"))
}

/// How this program names itself to pools.
fn agent() -> String {
    format!("rminer/{} ({} {})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

/// A dialect behind a proxy, where answers take longer. Silence of the peer is no longer than without.
struct Patient<D>(D);

impl<D: Dialect> Dialect for Patient<D> {
    fn limits(&self) -> Limits {
        let limits = self.0.limits();
        Limits {
            login: limits.login * PROXY_PATIENCE,
            first_job: limits.first_job * PROXY_PATIENCE,
            first_job_waiting: limits.first_job_waiting * PROXY_PATIENCE,
            share_reply: limits.share_reply * PROXY_PATIENCE,
            ..limits
        }
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.0.start(now, out);
    }

    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        self.0.line(now, line, out)
    }

    fn http(&mut self, now: Instant, reply: HttpReply<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        self.0.http(now, reply, out)
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        self.0.submit(now, id, share, out);
    }

    fn timed_out(&mut self, id: ShareId, out: &mut Outbox) {
        self.0.timed_out(id, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.0.tick(now, out);
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn provocation(&self) -> Option<(Provocation, Instant)> {
        self.0.provocation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::registry::RANDOMX;

    fn pool(url: &str) -> PoolConfig {
        let credentials = Credentials { user: "wallet".into(), pass: "x".into(), rig_id: None };
        PoolConfig::new(url.parse().unwrap(), credentials, &RANDOMX)
    }

    #[test]
    fn only_a_verified_server_may_send_us_elsewhere() {
        for (url, policy, verified) in [
            ("stratum+tcp://pool.example:1", TlsPolicy::Verify, false),
            ("stratum+tls://pool.example:1", TlsPolicy::Verify, true),
            ("stratum+tls://pool.example:1", TlsPolicy::Pin([1; 32]), true),
            ("stratum+tls://pool.example:1", TlsPolicy::Tofu, false),
        ] {
            let mut pool = pool(url);
            pool.tls = policy;
            assert_eq!(endpoint(&pool).unwrap().verified, verified, "{url} {policy:?}");
        }
    }

    #[test]
    fn a_proxy_makes_patient() {
        let make = |pool: &PoolConfig| dialect(pool).unwrap()(Hints::default()).limits();
        let mut pool = pool("stratum+tcp://pool.example:1");
        let direct = make(&pool);
        pool.proxy = Some("socks5://127.0.0.1:9050".parse().unwrap());
        let proxied = make(&pool);
        assert_eq!(proxied.login, 3 * direct.login);
        assert_eq!(proxied.share_reply, 3 * direct.share_reply);
        assert_eq!((proxied.idle, proxied.line_cap_bytes), (direct.idle, direct.line_cap_bytes));
    }
}

//! From the configuration of a pool to what the supervisor needs of it.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::ClientError;
use crate::dialect::Dialect;
use crate::dialect::monero::{Monero, MoneroConfig};
use crate::dialect::monerod::{Monerod, MonerodConfig};
use crate::endpoint::{PoolConfig, Protocol, TlsPolicy, Toggle};
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
fn dialect(pool: &PoolConfig) -> Result<MakeDialect, ClientError> {
    match pool.url.protocol() {
        Protocol::Monero => {
            let config = monero(pool);
            Ok(Box::new(move |hints: Hints| -> Box<dyn Dialect> {
                let keepalive = config.keepalive && hints.keepalive;
                Box::new(Monero::new(MoneroConfig { keepalive, ..config.clone() }))
            }))
        }
        Protocol::Monerod => {
            let mut extra_nonce = [0; 8];
            SystemRandom::new().fill(&mut extra_nonce).map_err(|_| ClientError::NoRandom)?;
            let wallet = pool.credentials.user.clone();
            let config = MonerodConfig { wallet, extra_nonce, algorithm: pool.algorithm };
            Ok(Box::new(move |_| -> Box<dyn Dialect> { Box::new(Monerod::new(config.clone())) }))
        }
    }
}

fn monero(pool: &PoolConfig) -> MoneroConfig {
    MoneroConfig {
        login: pool.credentials.user.clone(),
        pass: pool.credentials.pass.clone(),
        rig_id: pool.credentials.rig_id.clone(),
        agent: agent(),
        algorithm: pool.algorithm,
        nicehash: match pool.nicehash {
            Toggle::Auto => None,
            Toggle::On => Some(true),
            Toggle::Off => Some(false),
        },
        keepalive: pool.keepalive != Toggle::Off,
    }
}

/// How this program names itself to pools.
fn agent() -> String {
    format!("rminer/{} ({} {})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

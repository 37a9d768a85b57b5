//! SOCKS5 (RFC 1928, RFC 1929). The server's name goes to the proxy as it is and is never resolved here.

use std::io;
use std::time::Duration;

use secrecy::ExposeSecret;
use thiserror::Error;
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, TargetAddr};

use crate::connect::{BoxedStream, PROXY_PATIENCE, system_words};
use crate::endpoint::{Host, Proxy};

/// From the first byte to the proxy until it says that the server is reached.
const PATIENCE: Duration = Duration::from_secs(5).saturating_mul(PROXY_PATIENCE);

/// Why a proxy did not connect us. The texts follow "the proxy socks5://HOST:PORT".
#[derive(Debug, Error)]
pub enum SocksError {
    /// It wants user and password and none are configured.
    #[error("asks for a user and password: write it as socks5://USER:PASS@HOST:PORT")]
    LoginMissing,
    /// It does not take the configured ones.
    #[error("refuses the user or password")]
    LoginRefused,
    /// Its own rules forbid the destination.
    #[error("does not allow connections to {0}")]
    Forbidden(String),
    /// It cannot find or reach the server.
    #[error("cannot reach {server}: {fault}")]
    Unreachable {
        /// Where it should have gone.
        server: String,
        /// What it reported.
        fault: &'static str,
    },
    /// What answered is no SOCKS5 proxy.
    #[error("does not speak SOCKS5")]
    NotSocks,
    /// It said nothing in time.
    #[error("did not reach {server} within {limit} s", limit = PATIENCE.as_secs())]
    TimedOut {
        /// Where it should have gone.
        server: String,
    },
    /// It hung up.
    #[error("closed the connection before it reached {0}")]
    Closed(String),
    /// The connection to it broke.
    #[error("failed: {0}")]
    Network(String),
}

/// Asks the proxy at the other end of `stream` to connect to `host`.
pub(crate) async fn connect(
    stream: BoxedStream,
    proxy: &Proxy,
    host: &Host,
    port: u16,
) -> Result<BoxedStream, SocksError> {
    let server = format!("{host}:{port}");
    let target = match host {
        Host::Name(name) => TargetAddr::Domain(name.as_str().into(), port),
        Host::Ip(address) => TargetAddr::Ip((*address, port).into()),
    };
    let connected = async {
        match proxy.login().and_then(|login| Some((&login.user, login.pass.as_ref()?))) {
            None => Socks5Stream::connect_with_socket(stream, target).await,
            Some((user, pass)) => {
                let pass = pass.expose_secret();
                Socks5Stream::connect_with_password_and_socket(stream, target, user, pass).await
            }
        }
    };
    match timeout(PATIENCE, connected).await {
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(socks_error(error, server, proxy.login().is_some())),
        Err(_) => Err(SocksError::TimedOut { server }),
    }
}

fn socks_error(error: Error, server: String, has_login: bool) -> SocksError {
    let unreachable = |fault| SocksError::Unreachable { server: server.clone(), fault };
    match error {
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired if !has_login => {
            SocksError::LoginMissing
        }
        Error::NoAcceptableAuthMethods
        | Error::AuthorizationRequired
        | Error::PasswordAuthFailure(_)
        | Error::InvalidAuthValues(_) => SocksError::LoginRefused,
        Error::ConnectionNotAllowedByRuleset => SocksError::Forbidden(server),
        Error::HostUnreachable => unreachable("the host cannot be found or reached from there"),
        Error::NetworkUnreachable => unreachable("there is no route to it from there"),
        Error::ConnectionRefused => unreachable("it refuses the connection"),
        Error::TtlExpired => unreachable("it takes too long to get there"),
        Error::GeneralSocksServerFailure => unreachable("the proxy gives no reason"),
        Error::AddressTypeNotSupported => unreachable("the proxy cannot handle this kind of address"),
        Error::CommandNotSupported => unreachable("the proxy makes no outgoing connections"),
        Error::Io(fault) if is_hang_up(&fault) => SocksError::Closed(server),
        Error::Io(fault) => SocksError::Network(system_words(&fault)),
        Error::InvalidTargetAddress(_) => unreachable("its name is too long for SOCKS5"),
        // Tor's own reply codes come as unknown ones.
        Error::UnknownError | Error::UnknownAuthMethod => unreachable("the proxy gives an unknown reason"),
        _ => SocksError::NotSocks,
    }
}

fn is_hang_up(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

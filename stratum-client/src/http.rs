//! JSON-RPC of a node over HTTP/1.1: requests side by side, connections kept, logins by digest or basic, the latter
//! also from a file that the node writes.
//!
//! Redirects are not followed, cookies not kept and proxies of the environment not looked at: requests go to the
//! configured server and nowhere else.

mod auth;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;

use crate::connect::{DialError, Dialer, Path, Route, system_words};
use crate::dialect::HttpRequest;
use crate::endpoint::{PoolConfig, PoolUrl, Protocol};
use crate::text::clean;

use auth::{Auth, Credentials, Source};

/// Longest answer that is read.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Longest answer of a Bitcoin node: a full block of 4 MB is 8 MB of hexadecimal digits, and its descendants have larger
/// ones.
pub const MAX_TEMPLATE_BYTES: usize = 32 * 1024 * 1024;
/// Longest body of an answer that only asks for a login.
const MAX_CHALLENGE_BYTES: usize = 64 * 1024;
/// Longest head of an answer; also what is read at once.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long the end of an exchange may take before its connection is not worth keeping.
const KEEP_PATIENCE: Duration = Duration::from_secs(1);
/// Connections kept for the next request.
const MAX_IDLE: usize = 4;
/// A request is sent again this often because of its login: once for the challenge, once for a stale nonce.
const MAX_LOGINS: usize = 2;

/// Requests to one node.
pub struct HttpClient {
    dialer: Arc<Dialer>,
    route: Route,
    protocol: Protocol,
    /// What stands before the path of each request.
    prefix: String,
    login: Source,
    idle: Mutex<Vec<Connection>>,
    new_path: Mutex<Option<Path>>,
}

/// Why a request has no answer, in words for people.
#[derive(Debug, Error)]
pub enum HttpError {
    /// No connection.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// The node wants a login and none is configured.
    #[error("the node asks for a login: write it as {}", fix(*.0))]
    LoginMissing(Protocol),
    /// The node does not take the login.
    #[error("the node refuses the login of user {0:?}")]
    LoginRefused(String),
    /// The node does not take what stands in its cookie file.
    #[error("the node refuses the login of the cookie file {}: is it this node's?", .0.display())]
    CookieRefused(PathBuf),
    /// The cookie file cannot be used.
    #[error("the cookie file {} cannot be used ({fault}): the node writes it while it runs", .path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The only way to log in would show the password to everybody on the way.
    #[error("the node takes the password only in the clear, which the network could read: {}", in_the_clear(*.0))]
    LoginInTheClear(Protocol),
    /// The node wants a kind of login that is not spoken here.
    #[error("the node asks for a kind of login that rminer does not speak: {0}")]
    LoginUnknown(String),
    /// Something else answered.
    #[error("the server does not speak HTTP on this port{hint}", hint = tls_hint(*.plain))]
    NotHttp {
        /// What was to be spoken, where the connection was not encrypted.
        plain: Option<Protocol>,
    },
    /// An answer over the bound, in bytes.
    #[error("the node's answer is longer than {} MiB", .0 / (1024 * 1024))]
    TooLarge(usize),
    /// No answer in time.
    #[error("no answer from the node within {:.0} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The connection ended before the answer.
    #[error("the node closed the connection without an answer")]
    Closed,
    /// The same on a new connection that is not encrypted: what a server of TLS does when it hears plain text.
    #[error("the node closed the connection without an answer{}", tls_hint(Some(*.0)))]
    ClosedAtOnce(Protocol),
    /// The connection broke.
    #[error("the connection to the node broke: {0}")]
    Network(String),
}

impl HttpError {
    /// Whether only another login can help.
    pub fn is_login(&self) -> bool {
        matches!(
            self,
            Self::LoginMissing(_)
                | Self::LoginRefused(_)
                | Self::CookieRefused(_)
                | Self::Cookie { .. }
                | Self::LoginInTheClear(_)
                | Self::LoginUnknown(_)
        )
    }
}

fn scheme(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Gbt { "gbt+http" } else { "daemon+http" }
}

fn fix(protocol: Protocol) -> String {
    let cookie =
        if protocol == Protocol::Gbt { ", or name the node's cookie file with --rpc-cookie" } else { "" };
    format!("{}://USER:PASS@HOST:PORT{cookie}", scheme(protocol))
}

fn in_the_clear(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Gbt => "use gbt+https://, or a tunnel such as ssh -L 8332:127.0.0.1:8332 HOST",
        _ => "use daemon+https://, or its digest login",
    }
}

fn tls_hint(plain: Option<Protocol>) -> String {
    plain.map_or(String::new(), |protocol| {
        format!("; if it speaks TLS on this port, use {}s://", scheme(protocol))
    })
}

/// A kept connection with the state of its login: a Monero node counts nonces for each connection apart.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    auth: Auth,
    /// What was read when the node asked for it.
    credentials: Option<Credentials>,
}

impl HttpClient {
    /// For the node of `pool`, with the login in its address or in its cookie file.
    pub fn new(dialer: Arc<Dialer>, pool: &PoolConfig) -> Self {
        Self {
            dialer,
            route: Route::to_pool(pool),
            protocol: pool.url.protocol(),
            prefix: pool.url.path().to_owned(),
            login: Source::new(pool.url.login(), pool.rpc_cookie.as_ref()),
            idle: Mutex::default(),
            new_path: Mutex::default(),
        }
    }

    /// Sends a request and gives status and body of the answer.
    ///
    /// # Errors
    /// [`HttpError`]; a status that is not 200 is none, but one that asks for a login in vain is.
    pub async fn exchange(&self, request: &HttpRequest) -> Result<(u16, Bytes), HttpError> {
        let limit = request.timeout * self.route.patience();
        match tokio::time::timeout(limit, self.on_some_connection(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HttpError::TimedOut(limit)),
        }
    }

    /// How the latest connection came about, once for each.
    pub fn take_new_path(&self) -> Option<Path> {
        self.new_path.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn on_some_connection(&self, request: &HttpRequest) -> Result<(u16, Bytes), HttpError> {
        if let Some(connection) = self.kept() {
            // A kept connection may have ended, or its login run out, just when the request went out. All that a
            // node is asked here may be asked twice: it knows a block that it already has.
            match self.on(connection, request).await {
                Err(
                    HttpError::Closed
                    | HttpError::Network(_)
                    | HttpError::LoginRefused(_)
                    | HttpError::CookieRefused(_),
                ) => {
                    self.forget_kept();
                }
                outcome => return outcome,
            }
        }
        match self.on(self.connect(Auth::None, None).await?, request).await {
            Err(HttpError::Closed) if self.route.tls.is_none() => Err(HttpError::ClosedAtOnce(self.protocol)),
            outcome => outcome,
        }
    }

    async fn on(&self, mut connection: Connection, request: &HttpRequest) -> Result<(u16, Bytes), HttpError> {
        let uri = format!("{}{}", self.prefix, request.path);
        for login in 0..=MAX_LOGINS {
            let message = self.message(&mut connection, &uri, request)?;
            let response = connection.sender.send_request(message).await.map_err(|e| self.error(&e))?;
            if response.status() != StatusCode::UNAUTHORIZED {
                let answer = self.read(response, self.max_body_bytes()).await?;
                self.keep(connection).await;
                return Ok(answer);
            }
            // A node writes its cookie anew when it starts, so the file is read each time that it asks.
            let credentials = self.login.read()?.ok_or(HttpError::LoginMissing(self.protocol))?;
            let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
            let auth = connection.auth.challenged(challenges, self.is_private())?;
            let auth = match auth {
                auth::Next::Try(auth) if login < MAX_LOGINS => auth,
                auth::Next::Clear => return Err(HttpError::LoginInTheClear(self.protocol)),
                _ => return Err(self.login.refused(&credentials)),
            };
            connection.credentials = Some(credentials);
            connection.auth = auth;
            self.read(response, MAX_CHALLENGE_BYTES).await?;
            if connection.sender.ready().await.is_err() {
                connection = self.connect(connection.auth, connection.credentials).await?;
            }
        }
        Err(HttpError::Closed)
    }

    async fn connect(&self, auth: Auth, credentials: Option<Credentials>) -> Result<Connection, HttpError> {
        let mut path = Path::default();
        let stream = self.dialer.dial(&self.route, &mut path).await?;
        *self.new_path.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.error(&e))?;
        // Ends by itself when the sender and the last answer are dropped.
        tokio::spawn(connection);
        Ok(Connection { sender, auth, credentials })
    }

    fn message(
        &self,
        connection: &mut Connection,
        uri: &str,
        request: &HttpRequest,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let builder = match &request.body {
            Some(_) => Request::post(uri).header(CONTENT_TYPE, "application/json"),
            None => Request::get(uri),
        };
        let mut builder = builder
            .header(HOST, self.route.to_string())
            .header(USER_AGENT, concat!("rminer/", env!("CARGO_PKG_VERSION")));
        if let Some(credentials) = &connection.credentials
            && let Some(login) = connection.auth.respond(credentials, uri, request.body.as_deref())?
        {
            let mut login = HeaderValue::try_from(login).map_err(|e| HttpError::Network(e.to_string()))?;
            login.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, login);
        }
        let body = request.body.clone().unwrap_or_default();
        builder.body(Full::from(body)).map_err(|e| HttpError::Network(e.to_string()))
    }

    async fn read(&self, response: Response<Incoming>, limit: usize) -> Result<(u16, Bytes), HttpError> {
        let status = response.status().as_u16();
        let body = response.into_body();
        if body.size_hint().lower() > limit as u64 {
            return Err(HttpError::TooLarge(limit));
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(fault) if fault.is::<LengthLimitError>() => Err(HttpError::TooLarge(limit)),
            Err(fault) => match fault.downcast_ref::<hyper::Error>() {
                Some(fault) => Err(self.error(fault)),
                None => Err(HttpError::Network(clean(&fault.to_string()))),
            },
        }
    }

    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.sender.is_ready());
        idle.pop()
    }

    async fn keep(&self, mut connection: Connection) {
        // Not ready means that the node closes after each answer, or does not read ours; the answer is good anyway.
        let ready = tokio::time::timeout(KEEP_PATIENCE, connection.sender.ready()).await;
        if matches!(ready, Ok(Ok(()))) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push(connection);
            }
        }
    }

    fn forget_kept(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether nobody on the way can read along.
    fn is_private(&self) -> bool {
        // Bitcoin nodes have neither TLS nor digest. In one's own network that has to do.
        let at_home = self.protocol == Protocol::Gbt && self.route.host.is_private();
        self.route.tls.is_some() || self.route.host.is_loopback() || self.route.host.is_onion() || at_home
    }

    fn max_body_bytes(&self) -> usize {
        if self.protocol == Protocol::Gbt { MAX_TEMPLATE_BYTES } else { MAX_BODY_BYTES }
    }

    fn error(&self, fault: &hyper::Error) -> HttpError {
        if fault.is_parse() {
            return HttpError::NotHttp { plain: self.route.tls.is_none().then_some(self.protocol) };
        }
        if fault.is_incomplete_message() || fault.is_closed() || fault.is_canceled() {
            return HttpError::Closed;
        }
        let source = std::error::Error::source(fault);
        match source.and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(fault) => HttpError::Network(system_words(fault)),
            None => HttpError::Network(clean(&fault.to_string())),
        }
    }
}

/// Whether `url` names a server that is asked over HTTP.
pub fn is_http(url: &PoolUrl) -> bool {
    use crate::endpoint::Transport;
    matches!(url.transport(), Transport::Http | Transport::Https)
}

//! What `rminer status` and `rminer ctl` have in common: they ask the interface of a running miner over plain HTTP, on
//! this machine unless another one is named.

mod token;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rminer_stratum::text::clean;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::{ApiSettings, USUAL_BIND};
use crate::cli::{Context, Remote};
use crate::config::Pools;
use crate::problem::Problem;
use crate::ui::{Asked, Source};

/// Port of the interface where none is named.
const PORT: u16 = USUAL_BIND.port();
/// How long a connection may take, and a whole answer. The miner's own work waits for the engine for a second.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
/// Facts of a refusal that are shown.
const MAX_FACTS: usize = 40;
/// Longest answer: a rig with all its devices has some ten kilobytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Where a miner is, and what it is shown.
pub(super) struct Interface {
    host: String,
    port: u16,
    token: Option<SecretString>,
}

impl Interface {
    /// The interface that the options name, else the one that the settings would open.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub(super) fn new(remote: &Remote, context: &Context<'_>) -> Result<Self, Problem> {
        let read = context.read(Pools::Ignored).map(|resolution| resolution.settings.api);
        let (host, port) = match &remote.host {
            Some(text) => parse_host(text)?,
            None => usual(context, read.as_ref().ok())?,
        };
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let configured = read.as_ref().ok().and_then(|api| api.token_file.as_deref());
        let token = token::find(remote.token_file.as_deref(), context.env(), is_here.then_some(configured))?;
        Ok(Self { host, port, token })
    }

    /// Reads. The token is shown only where the miner asks for it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn get(&self, path: &str) -> Result<Bytes, Problem> {
        let (status, retry, body) = self.exchange(Method::GET, path, None, false).await?;
        if status != StatusCode::UNAUTHORIZED || self.token.is_none() {
            return self.judge(status, retry, body);
        }
        let (status, retry, body) = self.exchange(Method::GET, path, None, true).await?;
        self.judge(status, retry, body)
    }

    /// Orders.
    ///
    /// # Errors
    /// Why it was not done, or that nobody knows.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Bytes, Problem> {
        let (status, retry, body) = self.exchange(Method::POST, path, Some(body), true).await?;
        self.judge(status, retry, body)
    }

    /// Where it is, for people.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Where it is, where that was named by an address.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, self.port))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        with_token: bool,
    ) -> Result<(StatusCode, Option<String>, Bytes), Problem> {
        let stream = timeout(CONNECT_PATIENCE, TcpStream::connect((self.host.as_str(), self.port))).await;
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => return Err(self.unreachable("no answer within 5 s")),
        };
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, self.address())
                .header(USER_AGENT, concat!("rminer/", env!("CARGO_PKG_VERSION")));
            if let Some(token) = self.token.as_ref().filter(|_| with_token) {
                request = request.header(AUTHORIZATION, bearer(token));
            }
            if body.is_some() {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            let body = body.map(Value::to_string).unwrap_or_default();
            let request = request.body(Full::new(Bytes::from(body))).map_err(Fault::Request)?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let retry = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry = retry.map(str::to_owned);
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            driver.abort();
            let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Fault::TooLong,
                None => Fault::Broken,
            })?;
            Ok::<_, Fault>((status, retry, body.to_bytes()))
        };
        match timeout(ANSWER_PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(self.stranger(&fault.to_string())),
            Err(_) => Err(self.stranger("it took the connection and said nothing within 15 s")),
        }
    }

    fn judge(&self, status: StatusCode, retry: Option<String>, body: Bytes) -> Result<Bytes, Problem> {
        if status.is_success() {
            return Ok(body);
        }
        // Its own words, where they have their form.
        let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        // A problem shows no control character, whoever wrote it.
        let word = |name: &str| said["error"][name].as_str().map(str::to_owned);
        let message = word("message").unwrap_or_else(|| format!("it answers {status}"));
        let address = self.address();
        let problem = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let problem = Problem::error("not-allowed", format!("{address} does not let us: {message}"));
                match (&self.token, status) {
                    (None, _) => problem.help(
                        "name its token with --token-file FILE or RMINER_API_TOKEN; the miner keeps it in its state folder, \
                         as api-token",
                    ),
                    (Some(_), StatusCode::UNAUTHORIZED) => {
                        problem.help("the token is another miner's: name the right one with --token-file FILE")
                    }
                    (Some(_), _) => problem,
                }
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let when = retry.map_or_else(|| "in a moment".to_owned(), |s| format!("in {} s", clean(&s)));
                Problem::error("too-often", format!("{address} is asked too often: {message}"))
                    .help(format!("try again {when}"))
            }
            _ if said["error"].is_object() => {
                Problem::error("refused", format!("{address} says no: {message}"))
            }
            _ => return Err(self.stranger(&message)),
        };
        let facts = said["error"]["facts"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let problem = facts.take(MAX_FACTS).fold(problem, Problem::fact);
        Err(word("help").filter(|help| !help.is_empty()).into_iter().fold(problem, Problem::help))
    }

    fn unreachable(&self, why: &str) -> Problem {
        let summary = format!("no miner can be reached at {}: {}", self.address(), clean(why));
        Problem::error("no-miner", summary).help(
            "is rminer running? It may have been started with --api-bind off, or at another address: --host ADDRESS:PORT",
        )
    }

    /// What answers there is something else.
    pub(super) fn stranger(&self, why: &str) -> Problem {
        let summary =
            format!("what listens on {} does not answer as rminer does: {}", self.address(), clean(why));
        Problem::error("wrong-program", summary)
            .help("another program has this port, or rminer is of another version: --host ADDRESS:PORT names another")
    }
}

impl Source for Interface {
    fn get<'a>(&'a self, path: &'a str) -> Asked<'a> {
        Box::pin(async move { self.value(&self.get(path).await?) })
    }

    fn post<'a>(&'a self, path: &'a str, body: &'a Value) -> Asked<'a> {
        Box::pin(async move { self.value(&self.post(path, body).await?) })
    }

    fn address(&self) -> Option<String> {
        Some(self.address())
    }
}

impl Interface {
    fn value(&self, answer: &Bytes) -> Result<Value, Problem> {
        serde_json::from_slice(answer).map_err(|_| self.stranger("its answer is no JSON"))
    }
}

/// What went wrong on a connection that was had.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(hyper::http::Error),
    #[error("its answer is longer than 4 MiB")]
    TooLong,
    #[error("its answer breaks off")]
    Broken,
}

/// A token as a header that no debugging text shows.
fn bearer(token: &SecretString) -> HeaderValue {
    // What cannot stand in a header is no token of any miner.
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

/// `ADDRESS:PORT`, `NAME:PORT`, or without a port the usual one; an URL's scheme is let pass.
fn parse_host(text: &str) -> Result<(String, u16), Problem> {
    let bad = || {
        let problem = Problem::error("bad-value", format!("--host {}: this is no address", clean(text)));
        problem.help("write it as 127.0.0.1:4077, rig2:4077 or [::1]:4077")
    };
    let rest = text.trim().trim_start_matches("http://").trim_end_matches('/');
    if let Ok(ip) = rest.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((ip.to_string(), PORT));
    }
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) => (name, port.parse().map_err(|_| bad())?),
        None => (rest, PORT),
    };
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if port == 0 || name.is_empty() || name.len() > 253 || !name.chars().all(is_name) {
        return Err(bad());
    }
    Ok((name.to_owned(), port))
}

/// Where a miner with the settings of this call listens.
fn usual(context: &Context<'_>, api: Option<&ApiSettings>) -> Result<(String, u16), Problem> {
    let bind = match api {
        Some(api) => api.bind,
        None => {
            let note = format!("the configuration has faults; asking at 127.0.0.1:{PORT}");
            context.report(&[Problem::warning("config", note).help("rminer config check")]);
            Some(USUAL_BIND)
        }
    };
    let Some(bind) = bind else {
        let problem = Problem::error("no-miner", "the settings turn the interface off (--api-bind off)");
        return Err(problem.help("name the address of a miner that has one: --host ADDRESS:PORT"));
    };
    if bind.port() == 0 {
        let problem = Problem::error("no-miner", "the settings let the system choose the interface's port");
        return Err(problem.help("the miner tells it at its start; name it with --host ADDRESS:PORT"));
    }
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok((ip.to_string(), bind.port()))
}

/// A runtime for one question after the other.
///
/// # Errors
/// When the system gives none.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Problem::error("system", error.to_string()))
}

#[cfg(test)]
mod tests;

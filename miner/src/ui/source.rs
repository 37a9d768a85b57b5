//! Where screens and keys get what they show: the answers of the native interface, from this process or from another.

use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use crate::api::{ApiState, router};
use crate::problem::Problem;

/// An answer that may take a while.
pub(crate) type Asked<'a> = Pin<Box<dyn Future<Output = Result<Value, Problem>> + Send + 'a>>;

/// A miner's native interface.
pub(crate) trait Source: Send + Sync {
    /// Reads a path.
    fn get<'a>(&'a self, path: &'a str) -> Asked<'a>;

    /// Gives an order.
    fn post<'a>(&'a self, path: &'a str, body: &'a Value) -> Asked<'a>;

    /// Where the miner is; `None` for the one in this process.
    fn address(&self) -> Option<String>;
}

/// The miner in this process: the same answers without a socket, also where no interface listens.
pub(crate) struct Here(TowerToHyperService<Router>);

impl Here {
    pub(crate) fn new(state: ApiState) -> Self {
        Self(TowerToHyperService::new(router(state)))
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Value, Problem> {
        let odd = |why: String| Problem::error("system", why);
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).map_err(|error| odd(error.to_string()))?;
        let response = self.0.call(request).await.unwrap_or_else(|never| match never {});
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| odd(error.to_string()))?;
        let said = serde_json::from_slice::<Value>(&body.to_bytes()).unwrap_or_default();
        if status.is_success() {
            return Ok(said);
        }
        let word = |name: &str| said["error"][name].as_str().filter(|text| !text.is_empty());
        let problem = Problem::error("refused", word("message").unwrap_or("this miner does not know that"));
        Err(word("help").into_iter().fold(problem, Problem::help))
    }
}

impl Source for Here {
    fn get<'a>(&'a self, path: &'a str) -> Asked<'a> {
        Box::pin(self.ask(Method::GET, path, String::new()))
    }

    fn post<'a>(&'a self, path: &'a str, body: &'a Value) -> Asked<'a> {
        Box::pin(self.ask(Method::POST, path, body.to_string()))
    }

    fn address(&self) -> Option<String> {
        None
    }
}

/// A problem on one line: the fault, and what to do.
pub(crate) fn one_line(problem: &Problem) -> String {
    let mut text = crate::problem::printable(&problem.summary);
    if let Some(help) = problem.help.first() {
        text.push_str(": ");
        text.push_str(&crate::problem::printable(help));
    }
    text
}

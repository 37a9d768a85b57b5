//! Answers that say no, all of one form: `{"error":{"code","message","help"}}`.

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Status of the answer.
    pub status: StatusCode,
    /// Stable name, for programs.
    pub code: &'static str,
    /// The fault in one line, for people.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Seconds after which it may be tried again.
    pub retry_after_s: Option<u64>,
    /// Methods that the route has.
    pub allow: Option<&'static str>,
}

impl ApiError {
    /// With these words.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), help: help.into(), retry_after_s: None, allow: None }
    }

    /// Nothing is there.
    pub fn not_found() -> Self {
        let help = "GET /api/v1/openapi.json lists what there is";
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path", help)
    }

    /// The route has other methods; `allow` names them.
    pub fn method(allow: &'static str) -> Self {
        let error = Self::bare_method();
        Self { allow: Some(allow), ..error }
    }

    /// As [`ApiError::method`], where the answer names them already.
    pub fn bare_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this path does not take this method",
            "the header Allow names those that it takes",
        )
    }

    /// To be tried again later.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

/// The body of an answer that says no.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What is wrong.
    pub(super) error: ErrorFields,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorFields {
    /// Stable name, for programs.
    pub(super) code: String,
    /// The fault in one line, for people.
    pub(super) message: String,
    /// What to do.
    pub(super) help: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let fields = ErrorFields { code: self.code.to_owned(), message: self.message, help: self.help };
        let mut response = (self.status, Json(ErrorBody { error: fields })).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

//! The page: one document with all numbers in it, rendered from the same answer that `/api/v1/status` gives, and a
//! script that keeps them fresh. To a stranger on an address that others reach it is a form for a code and nothing else.

mod assets;
mod format;
mod html;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use self::assets::Assets;
use super::pairing::Scope;
use super::v1::{Chart, HOURS, View};
use super::{ApiError, ApiState};
use crate::clock::unix_seconds;

/// Only what comes from here, and nothing that stands in the document itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Names that hold for one content alone can be kept for a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Rows of the table of the last day: one for each hour.
const TABLE_ROWS: u32 = HOURS;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
        .layer(Extension(Arc::new(Assets::new())))
}

async fn page(
    State(state): State<ApiState>,
    Extension(assets): Extension<Arc<Assets>>,
    scope: Option<Extension<Scope>>,
) -> Response {
    let text = match scope {
        None => html::stranger(&assets),
        Some(Extension(_)) => {
            let view = View::new(&state);
            let seen = html::Seen {
                status: &view.status(),
                pools: &view.pools(),
                hours: &Chart::new(&state, HOURS, TABLE_ROWS),
                now_s: unix_seconds(),
                takes_orders: state.about.takes_orders,
            };
            html::page(&assets, &seen)
        }
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

async fn asset(
    Path(name): Path<String>,
    Extension(assets): Extension<Arc<Assets>>,
    asked: HeaderMap,
) -> Result<Response, ApiError> {
    let asset = assets.named(&name).ok_or_else(ApiError::not_found)?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", asset.hash)).map_err(|_| ApiError::not_found())?;
    let known = asked.get(IF_NONE_MATCH).is_some_and(|given| *given == tag);
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.content.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    headers.insert(ETAG, tag);
    Ok(response)
}

#[cfg(test)]
mod tests;

//! The document of the interface, made from its types and routes.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema as _};

use super::{chart, control, doctor, explain, health, history, lists, pair, stream};
use crate::api::error::ErrorBody;
use crate::api::guard::PAIR_PATH;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rminer",
        description = "State of a running miner, and a few orders. Reading is open on loopback and needs the token \
                       elsewhere; orders need it always. Requests must name this machine in `Host`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        health::healthz,
        health::readyz,
        lists::status,
        lists::devices,
        lists::device,
        lists::threads,
        lists::pools,
        lists::shares,
        lists::events,
        history::history,
        doctor::doctor,
        explain::explain,
        chart::chart,
        lists::config,
        lists::constraints,
        stream::stream,
        openapi,
        pair::paired,
        pair::pair,
        pair::code,
        pair::unpair,
        control::pause,
        control::resume,
        control::reload,
        control::switch_pool,
        control::limit,
    ),
    components(schemas(ErrorBody))
)]
struct Base;

/// This document, OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about",
    responses((status = 200, body = Object, description = "The document")))]
pub(super) async fn openapi() -> Json<Document> {
    Json(document())
}

/// Name of the way to show the token.
const BEARER: &str = "token";

/// The document.
pub(super) fn document() -> Document {
    let mut document = Base::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document.components.get_or_insert_default().add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        let token = SecurityRequirement::new(BEARER, Vec::<String>::new());
        if let Some(get) = &mut item.get {
            get.security = Some(vec![SecurityRequirement::default(), token]);
            refusals(&READING, &mut get.responses.responses);
        } else if let Some(post) = &mut item.post {
            let open = path == PAIR_PATH;
            post.security = Some(if open { vec![SecurityRequirement::default()] } else { vec![token] });
            refusals(&READING, &mut post.responses.responses);
            refusals(&WRITING, &mut post.responses.responses);
        }
    }
    document
}

/// What any request may be answered with.
const READING: [(u16, &str); 8] = [
    (400, "The request is malformed"),
    (401, "The token is missing or wrong"),
    (403, "The page's origin is not allowed, or there is no token"),
    (404, "There is no such thing"),
    (421, "Host is no name of this machine"),
    (429, "Too many wrong tokens, or too many orders"),
    (431, "The head is longer than 8 KiB"),
    (503, "Not now"),
];

/// What orders may be answered with beside that.
const WRITING: [(u16, &str); 5] = [
    (408, "The body did not come"),
    (409, "The miner refuses, and nothing has changed"),
    (413, "The body is longer than 4 KiB"),
    (415, "The body is not JSON"),
    (422, "The body has unknown fields or values out of range"),
];

type Responses = std::collections::BTreeMap<String, utoipa::openapi::RefOr<Response>>;

fn refusals(statuses: &[(u16, &str)], responses: &mut Responses) {
    for (status, description) in statuses {
        let schema = Ref::from_schema_name(ErrorBody::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response =
            ResponseBuilder::new().description(*description).content("application/json", content).build();
        responses.entry(status.to_string()).or_insert(response.into());
    }
}

//! The description of the HTTP calls (OpenAPI 3.1), generated from the types that serve them.

use crate::auth::{Guest, Ticket};
use crate::http;
use crate::problem::{PROBLEM_JSON, ProblemDetails};
use antiphon_core::RoomEvent;
use std::sync::LazyLock;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, ContentBuilder, OpenApi as Document, Ref, RefOr, Required};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "Antiphon", description = "Carries AI answers live from models to people: durable, resumable, interruptible."),
    paths(
        http::agents, http::ticket, http::guest,
        http::create_ar_room, http::ar_rooms, http::ar_room, http::delete_ar_room,
        http::create_room, http::rooms, http::room, http::delete_room,
        http::send_ar_message, http::ar_messages, http::send_message, http::messages,
        http::stream, http::interrupt, http::cancel, http::pause, http::resume, http::retry,
        http::publish, http::health, http::ready, http::metrics, http::realtime_stats,
    ),
    components(schemas(ProblemDetails, RoomEvent, Ticket, Guest)),
    modifiers(&Identity, &Live, &Problems),
    security(("bearer" = []), ("apiKey" = []))
)]
struct Api;

/// The document as JSON; made once.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
        describe_responses(&mut document);
        document.to_string()
    });
    &JSON
}

/// OpenAPI requires a description of each response; where the handler gives none it is the status in words.
fn describe_responses(document: &mut serde_json::Value) {
    let paths = document.get_mut("paths").and_then(serde_json::Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(|path| path.as_object_mut());
    let responses = operations
        .flat_map(|path| path.values_mut())
        .filter_map(|operation| operation.get_mut("responses").and_then(serde_json::Value::as_object_mut));
    for (status, response) in responses.flatten() {
        let words = status.parse().ok().and_then(|code| ::http::StatusCode::from_u16(code).ok());
        let words = words.and_then(|code| code.canonical_reason()).unwrap_or("An answer");
        if let Some(response) = response.as_object_mut().filter(|response| !response.contains_key("$ref")) {
            response.entry("description").or_insert_with(|| words.into());
        }
    }
}

/// How callers say who they are.
struct Identity;

impl Modify for Identity {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("a JSON Web Token with sub and exp"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description("X-API-Key", "a back-end caller's key");
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
        let ticket = ApiKeyValue::with_description("ticket", "of POST /api/tickets, once; WebSocket and SSE only");
        components.add_security_scheme("ticket", SecurityScheme::ApiKey(ApiKey::Query(ticket)));
    }
}

/// The live calls, which answer with more than a body.
struct Live;

const POSITION: (&str, &str) = ("position", "where to go on after; `start` for all that is kept, none for now");
const TICKET: (&str, &str) = ("ticket", "of POST /api/tickets");
const NAMED: (&str, &str) = ("named", "`true` adds `event:` lines");
const UNTIL: (&str, &str) = ("until", "`end` closes at what was the end at the request");
const RESUME: (&str, &str) = ("resume", "the resume token of a session to take over");

impl Modify for Live {
    fn modify(&self, document: &mut Document) {
        let events = "the room's events; Last-Event-ID wins over ?position=";
        for path in [
            "/api/ar-rooms/{id}/stream",
            "/api/ar-rooms/{id}/events",
            "/api/rooms/{id}/stream",
            "/api/rooms/{id}/events",
        ] {
            add(document, path, &["id"], &[POSITION, TICKET, NAMED, UNTIL], events, true);
        }
        let events = "the channel's events; Last-Event-ID wins over ?position=";
        let path = "/api/channels/{namespace}/{id}/events";
        add(document, path, &["namespace", "id"], &[POSITION, TICKET, NAMED, UNTIL], events, true);
        let socket = "WebSocket (RFC 6455), one JSON object a text frame; refusals are sent after the upgrade";
        add(document, "/ws", &[], &[TICKET, RESUME], socket, false);
        add(document, "/ws/ar-rooms/{id}", &["id"], &[POSITION, TICKET, RESUME], socket, false);
    }
}

fn add(
    document: &mut Document,
    path: &str,
    in_path: &[&str],
    in_query: &[(&str, &str)],
    description: &str,
    is_sse: bool,
) {
    let text = || Some(ObjectBuilder::new().schema_type(Type::String));
    let mut operation = OperationBuilder::new().tag("live").description(Some(description));
    for name in in_path {
        let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Path);
        operation = operation.parameter(parameter.required(Required::True).schema(text()));
    }
    for (name, description) in in_query {
        let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query);
        operation = operation.parameter(parameter.description(Some(*description)).schema(text()));
    }
    let (status, response) = if is_sse {
        let event = ContentBuilder::new().schema(Some(Ref::from_schema_name("RoomEvent"))).build();
        ("200", ResponseBuilder::new().description("server-sent events").content("text/event-stream", event))
    } else {
        ("101", ResponseBuilder::new().description("switched to WebSocket"))
    };
    let operation = operation.response(status, response.build()).build();
    let item = document.paths.paths.entry(path.to_owned()).or_default();
    item.merge_operations(PathItem::new(HttpMethod::Get, operation));
}

/// Every refusal has one form and one content type.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails"))).build();
                let any = ResponseBuilder::new().description("a refusal, with its `code`").content(PROBLEM_JSON, body);
                operation.responses.responses.insert("default".to_owned(), RefOr::T(any.build()));
                for response in operation.responses.responses.values_mut() {
                    let RefOr::T(response) = response else { continue };
                    let is_problem = |content: &RefOr<Content>| {
                        matches!(content, RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. })
                            if reference.ref_location.ends_with("/ProblemDetails"))
                    };
                    if response.content.get("application/json").is_some_and(is_problem)
                        && let Some(body) = response.content.shift_remove("application/json")
                    {
                        response.content.insert(PROBLEM_JSON.to_owned(), body);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_contract_is_described() {
        let document: serde_json::Value = serde_json::from_str(json()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, method) in [
            ("/api/agents", "get"),
            ("/api/tickets", "post"),
            ("/api/guest", "post"),
            ("/api/ar-rooms", "post"),
            ("/api/ar-rooms", "get"),
            ("/api/ar-rooms/{id}", "delete"),
            ("/api/ar-rooms/{id}/messages", "post"),
            ("/api/ar-rooms/{id}/messages", "get"),
            ("/api/ar-rooms/{id}/stream", "get"),
            ("/api/ar-rooms/{id}/events", "get"),
            ("/api/rooms", "post"),
            ("/api/rooms/{id}/messages", "get"),
            ("/api/streams/{id}", "get"),
            ("/api/streams/{id}/interrupt", "post"),
            ("/api/streams/{id}/cancel", "post"),
            ("/api/streams/{id}/pause", "post"),
            ("/api/streams/{id}/resume", "post"),
            ("/api/streams/{id}/retry", "post"),
            ("/api/channels/{namespace}/{id}/events", "post"),
            ("/api/channels/{namespace}/{id}/events", "get"),
            ("/health", "get"),
            ("/ready", "get"),
            ("/metrics", "get"),
            ("/api/realtime/stats", "get"),
            ("/ws", "get"),
            ("/ws/ar-rooms/{id}", "get"),
        ] {
            let call = &document["paths"][path][method];
            let problem = &call["responses"]["default"]["content"][PROBLEM_JSON];
            assert!(problem.is_object(), "{method} {path}: {call}");
        }
        for schema in
            ["ProblemDetails", "RoomEvent", "Message", "RoomView", "StreamView", "RealtimeStats", "NewMessage"]
        {
            assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
        }
        assert!(!json().contains("\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/ProblemDetails\""));
    }
}

//! The description of the HTTP calls (OpenAPI 3.1), generated from the types that serve them.

use crate::auth::{Guest, Ticket};
use crate::http;
use crate::problem::{PROBLEM_JSON, ProblemDetails};
use antiphon_core::{Code, RoomEvent};
use antiphon_wire::ServerMessage;
use serde_json::{Value, json};
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
    components(schemas(ProblemDetails, RoomEvent, ServerMessage, Ticket, Guest)),
    modifiers(&Identity, &Live, &Problems),
    security(("bearer" = []), ("apiKey" = []))
)]
struct Api;

/// The document as JSON; made once.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
        describe_responses(&mut document);
        name_as_serialized(&mut document);
        add_envelope(&mut document);
        add_codes(&mut document);
        document.to_string()
    });
    &JSON
}

/// The kinds of a tagged enumeration, as objects.
fn kinds<'a>(document: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut serde_json::Map<String, Value>> {
    let kinds = document["components"]["schemas"][name]["oneOf"].as_array_mut();
    kinds.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The fields of enumerations go out in camel case (`rename_all_fields`), which their schemas' derive does not follow.
fn name_as_serialized(document: &mut Value) {
    for name in ["RoomEvent", "ServerMessage"] {
        for kind in kinds(document, name) {
            if let Some(properties) = kind.get_mut("properties").and_then(Value::as_object_mut) {
                *properties =
                    std::mem::take(properties).into_iter().map(|(name, schema)| (camel_case(&name), schema)).collect();
            }
            for required in kind.get_mut("required").and_then(Value::as_array_mut).into_iter().flatten() {
                *required = required.as_str().map(camel_case).into();
            }
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for part in name.split('_') {
        let mut characters = part.chars();
        match characters.next() {
            Some(first) if !camel.is_empty() => camel.extend(first.to_uppercase()),
            Some(first) => camel.push(first),
            None => {}
        }
        camel.push_str(characters.as_str());
    }
    camel
}

/// What every room event has besides its kind's own fields.
fn add_envelope(document: &mut Value) {
    for kind in kinds(document, "RoomEvent") {
        for (name, schema) in [
            ("roomId", json!({"type": "string", "description": "The room in which it happened."})),
            ("timestamp", json!({"type": "string", "format": "date-time", "description": "When."})),
            ("position", json!({"type": "string", "description": "After this event."})),
        ] {
            if let Some(properties) = kind.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert(name.to_owned(), schema);
            }
            if let Some(required) = kind.get_mut("required").and_then(Value::as_array_mut) {
                required.push(name.into());
            }
        }
    }
}

/// The table of error codes.
fn add_codes(document: &mut Value) {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let schemas = &mut document["components"]["schemas"];
    schemas["Code"] = json!({"type": "string", "enum": codes, "description": "Why something is refused."});
    let reference = json!({"$ref": "#/components/schemas/Code", "description": "Why something is refused."});
    schemas["ProblemDetails"]["properties"]["code"] = reference.clone();
    for kind in kinds(document, "ServerMessage") {
        if let Some(code) = kind.get_mut("properties").and_then(|properties| properties.get_mut("code")) {
            *code = reference.clone();
        }
    }
}

/// OpenAPI requires a description of each response; where the handler gives none it is the status in words.
fn describe_responses(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(|path| path.as_object_mut());
    let responses = operations
        .flat_map(|path| path.values_mut())
        .filter_map(|operation| operation.get_mut("responses").and_then(Value::as_object_mut));
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
        for schema in [
            "ProblemDetails",
            "Code",
            "RoomEvent",
            "ServerMessage",
            "Message",
            "RoomView",
            "StreamView",
            "RealtimeStats",
            "NewMessage",
        ] {
            assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
        }
        assert!(!json().contains("\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/ProblemDetails\""));
    }

    #[test]
    fn events_are_described_as_they_are_sent() {
        let document: Value = serde_json::from_str(json()).unwrap();
        let resumed = RoomEvent::ArStreamResume { stream_id: "stream-1".into(), by: "user".into() };
        let sent: Value = serde_json::from_slice(&resumed.encode("room-1", None).unwrap().json).unwrap();
        let kinds = document["components"]["schemas"]["RoomEvent"]["oneOf"].as_array().unwrap();
        let kind = kinds.iter().find(|kind| kind["properties"]["type"]["enum"][0] == "ar-stream-resume").unwrap();
        let required: Vec<&str> = kind["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for name in sent.as_object().unwrap().keys() {
            assert!(required.contains(&name.as_str()), "{name} in {required:?}");
        }
        assert!(required.contains(&"position") && required.len() == sent.as_object().unwrap().len() + 1);
    }

    /// The clients' types are generated from that copy. `ANTIPHON_WRITE_OPENAPI=1` writes it anew; then
    /// `npm run schema -w packages/client`.
    #[test]
    fn the_clients_copy_is_this_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packages/client/openapi.json");
        let document: Value = serde_json::from_str(json()).unwrap();
        if std::env::var_os("ANTIPHON_WRITE_OPENAPI").is_some() {
            std::fs::write(path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
        }
        // As values: the order of keys hangs on what else is built.
        let copy: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(copy == document, "packages/client/openapi.json is old: ANTIPHON_WRITE_OPENAPI=1 writes it anew");
    }
}

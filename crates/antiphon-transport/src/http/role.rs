//! What a process answers at paths that its roles do not serve: which role does, so that whoever sent the call there can
//! send it elsewhere.

use super::Served;
use crate::problem::Problem;
use crate::{sse, websocket};
use antiphon_core::{Code, Refusal};
use axum::Router;
use axum::handler::Handler;
use axum::routing::{any, get, post};
use std::future::{Ready, ready};

/// The calls that are served by no other role.
const CALLS: &str = "api";
/// What is served to clients that stay connected.
const LIVE: &str = "realtime";

/// The paths of the roles that the process does not have. Merge with those that it serves.
pub(super) fn router(served: &Served) -> Router {
    let mut router = Router::new();
    if !served.calls {
        // What is more specific than this is served, but for the one path that two roles share.
        let lacks = lacks(CALLS, served);
        router = router.route("/api/{*path}", any(lacks.clone())).route(sse::CHANNEL, post(lacks));
    }
    if !served.live {
        let lacks = lacks(LIVE, served);
        router = sse::PATHS.iter().fold(router, |router, path| router.route(path, get(lacks.clone())));
        router = websocket::PATHS.iter().fold(router, |router, path| router.route(path, any(lacks.clone())));
    }
    router
}

fn lacks(role: &'static str, served: &Served) -> impl Handler<((),), ()> + use<> {
    let message = format!(
        "this process does not have the role `{role}`, which serves this path: its roles are {}; send the call to one that \
         has it",
        served.roles
    );
    move || -> Ready<Problem> { ready(Problem::from(Refusal::new(Code::NotFound, message))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    async fn answer(served: &Served, call: &str) -> (u16, String) {
        let (method, path) = call.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let mut all = router(served).merge(Router::new().route("/api/realtime/stats", get(|| async { "stats" })));
        if served.live {
            all = all.merge(Router::new().route(sse::CHANNEL, get(|| async { "events" })));
        }
        if served.calls {
            all = all.merge(Router::new().route(sse::CHANNEL, post(|| async { "published" })));
        }
        let response = all.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_process_without_the_role_of_a_path_says_which_it_lacks_and_which_it_has() {
        let served = |calls, live, roles: &str| Served { calls, live, roles: roles.to_owned() };
        let (neither, no_live) = (served(false, false, "ai, relay"), served(true, false, "api, ai"));
        let no_calls = served(false, true, "realtime");
        for (served, call, role) in [
            (&neither, "GET /api/agents", "api"),
            (&neither, "POST /api/ar-rooms/r/messages", "api"),
            (&neither, "DELETE /api/nothing/of/that/name", "api"),
            (&neither, "POST /api/channels/a/b/events", "api"),
            (&neither, "GET /api/ar-rooms/r/stream", "realtime"),
            (&neither, "GET /ws", "realtime"),
            (&no_live, "GET /ws/ar-rooms/r", "realtime"),
            (&no_live, "GET /api/rooms/r/events", "realtime"),
            (&no_live, "GET /api/channels/a/b/events", "realtime"),
            (&no_calls, "GET /api/ar-rooms", "api"),
            (&no_calls, "POST /api/channels/a/b/events", "api"),
        ] {
            let (status, body) = answer(served, call).await;
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &problem["code"]), (404, &"not_found".into()), "{call}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("role `{role}`")) && detail.contains(&served.roles), "{call}: {detail}");
        }
        for (served, call, body) in [
            (&neither, "GET /api/realtime/stats", "stats"),
            (&no_live, "POST /api/channels/a/b/events", "published"),
            (&no_calls, "GET /api/channels/a/b/events", "events"),
        ] {
            assert_eq!(answer(served, call).await, (200, body.to_owned()), "{call}");
        }
    }
}

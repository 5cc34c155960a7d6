//! The doors of the server: HTTP, WebSocket and server-sent events, and who may pass them. Holds no storage and no fan-out.

pub mod accept;
pub mod auth;
pub mod http;
pub mod limiter;
pub mod live;
pub mod openapi;
pub mod origin;
pub mod page;
pub mod problem;
pub mod proxy;
pub mod query;
pub mod sse;
pub mod websocket;

//! Who makes a call, and whether they may make one more.

use super::ApiState;
use crate::problem::Problem;
use antiphon_core::Identity;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A caller who said who they are.
pub(super) struct Caller(pub(super) Identity);

/// A caller of a call that is open to all.
pub(super) struct Anyone(pub(super) Option<Identity>);

impl FromRequestParts<Arc<ApiState>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let identity = state.authenticator.authenticate(&parts.headers, None).await;
        // Failed attempts count too, so that nobody tries keys at leisure.
        state.limiter.request(address(parts), identity.as_ref().ok())?;
        Ok(Self(identity?))
    }
}

impl FromRequestParts<Arc<ApiState>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let identity = state.authenticator.authenticate(&parts.headers, None).await.ok();
        state.limiter.request(address(parts), identity.as_ref())?;
        Ok(Self(identity))
    }
}

fn address(parts: &Parts) -> IpAddr {
    // Without a listener, as in a test, all callers are one.
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip())
}

//! The secret that all processes of one deployment share: whoever does not bring it is answered nothing.

use antiphon_core::limits::MAX_PEER_SECRET_BYTES;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const HEADER: &str = "authorization";

/// What each call brings in its metadata. Never formatted.
#[derive(Clone)]
pub(crate) struct Secret {
    /// None: nothing is asked for, as only this machine can reach the listener.
    header: Option<MetadataValue<Ascii>>,
}

impl Secret {
    /// None where the secret is empty, longer than allowed, or has characters that a header cannot have.
    pub(crate) fn new(secret: Option<&str>) -> Option<Self> {
        let Some(secret) = secret else { return Some(Self { header: None }) };
        if secret.is_empty() || secret.len() > MAX_PEER_SECRET_BYTES {
            return None;
        }
        let mut header: MetadataValue<Ascii> = format!("Bearer {secret}").parse().ok()?;
        header.set_sensitive(true);
        Some(Self { header: Some(header) })
    }

    /// Puts the secret into each call.
    pub(crate) fn bring(&self) -> Bring {
        Bring(self.clone())
    }

    /// Refuses each call without it.
    pub(crate) fn demand(&self) -> Demand {
        Demand(Arc::new(self.clone()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// The caller's side.
#[derive(Clone)]
pub(crate) struct Bring(Secret);

impl Interceptor for Bring {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0.header {
            request.metadata_mut().insert(HEADER, header.clone());
        }
        Ok(request)
    }
}

/// The called side.
#[derive(Clone)]
pub(crate) struct Demand(Arc<Secret>);

impl Interceptor for Demand {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(wanted) = &self.0.header else { return Ok(request) };
        let brought = request.metadata().get(HEADER).map(MetadataValue::as_bytes).unwrap_or_default();
        if bool::from(brought.ct_eq(wanted.as_bytes())) {
            Ok(request)
        } else {
            Err(Status::unauthenticated("the secret of the deployment's processes is missing or another one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_gets_in() {
        let secret = Secret::new(Some("correct horse")).unwrap();
        let other = Secret::new(Some("correct horsf")).unwrap();
        let none = Secret::new(None).unwrap();
        let get_in = |with: &Secret| secret.demand().call(with.bring().call(Request::new(())).unwrap());
        assert!(get_in(&secret).is_ok());
        for wrong in [other, none.clone()] {
            assert_eq!(get_in(&wrong).unwrap_err().code(), tonic::Code::Unauthenticated);
        }
        assert!(none.demand().call(Request::new(())).is_ok());
        assert!(Secret::new(Some("")).is_none() && Secret::new(Some("a\nb")).is_none());
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}

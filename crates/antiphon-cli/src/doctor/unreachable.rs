//! Why no connection came about: no such host, nobody there, no TLS, no trust, no answer in time.

use super::finding::{Finding, Place};
use crate::server::{is_loopback, root_cause};
use antiphon_ai::connect::RemoteKind;
use std::error::Error;
use std::io;

/// What a request without a response means.
pub(super) fn finding(place: &Place, error: &reqwest::Error) -> Finding {
    let origin = place.origin();
    let host = place.base.host_str().unwrap_or_default();
    let cause = root_cause(error);
    if let Some(tls) = find::<rustls::Error>(error) {
        return match tls {
            rustls::Error::InvalidCertificate(_) => Finding::bad(
                format!("{origin}: TLS: its certificate is not trusted: {tls}"),
                "is the host's name right, and the clock of this machine? A certificate authority of your own, or of a \
                 proxy that opens TLS, must be known to the system",
            ),
            _ => Finding::bad(
                format!("{origin}: TLS: no secure connection comes about: {tls}"),
                "a server without TLS is called with http://; a proxy between may be in the way",
            ),
        };
    }
    if chain(error).any(|cause| cause.to_string().starts_with("dns error")) {
        let fix =
            "is the name in base_url right? Else look at the network and its DNS; behind a proxy, set HTTPS_PROXY";
        return Finding::bad(format!("{origin}: DNS: no address is found for {host}: {cause}"), fix);
    }
    if chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_refused) {
        let what = format!("{origin}: the connection is refused: nobody listens there");
        return Finding::bad(what, start_fix(place));
    }
    if error.is_timeout() {
        let fix = "does a firewall drop the connection, or must it go through a proxy (HTTPS_PROXY)?";
        return Finding::bad(format!("{origin}: no answer in time: {cause}"), fix);
    }
    let fix = "is https:// right instead of http:// or the other way round? Check also HTTPS_PROXY and NO_PROXY";
    Finding::bad(format!("{origin} cannot be reached: {cause}"), fix)
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

fn start_fix(place: &Place) -> &'static str {
    if place.kind == RemoteKind::Ollama {
        "start it with `ollama serve`, or set base_url"
    } else if is_loopback(&place.base) {
        "start the model's server there, or set base_url to its address and port"
    } else {
        "check the host and port of base_url; a firewall may refuse in its place"
    }
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        // What an I/O error wraps is not among its sources, only what is behind that.
        next = match this.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => this.source(),
        };
        Some(this)
    })
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    chain(error).find_map(|cause| cause.downcast_ref::<E>())
}

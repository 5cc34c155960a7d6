//! With which code a refused connection is closed: the one place that says so.
//!
//! What may succeed later is closed with a code that clients come back after, whatever it was that failed.

use antiphon_core::Code;
use antiphon_wire::websocket::close;

/// The close code that goes with a refusal.
pub(super) fn of(code: Code) -> u16 {
    match code {
        code if code.is_about_position() => close::POSITION,
        code if code.is_retryable() => close::TRY_AGAIN_LATER,
        _ => close::REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_succeed_later_is_closed_as_such_and_nothing_else_is() {
        for code in Code::ALL {
            assert_eq!(of(code) == 1013, code.is_retryable(), "{code:?}");
        }
        assert_eq!([Code::Unavailable, Code::RateLimited, Code::Internal].map(of), [1013; 3]);
        assert_eq!([Code::Unauthorized, Code::RoomNotFound, Code::Forbidden].map(of), [1008; 3]);
        assert_eq!([Code::PositionForeign, Code::PositionInvalid].map(of), [4010; 2]);
    }
}

//! What one append may bring, in either engine.

use antiphon_core::limits::{MAX_APPEND_BYTES, MAX_APPEND_EVENTS, MAX_CLIENT_ID_LENGTH};
use antiphon_core::{Event, LogError};

/// Refuses an append that is larger than a record may be.
pub fn check(events: &[Event]) -> Result<(), LogError> {
    let bytes = events.iter().map(|event| event.json.len()).sum();
    if bytes > MAX_APPEND_BYTES || events.len() > MAX_APPEND_EVENTS {
        return Err(LogError::TooLarge { bytes, allowed: MAX_APPEND_BYTES });
    }
    // A character takes up to four bytes of UTF-8.
    let allowed = 4 * MAX_CLIENT_ID_LENGTH;
    match events.iter().filter_map(|event| event.event_id.as_ref()).map(String::len).max() {
        Some(bytes) if bytes > allowed => Err(LogError::TooLarge { bytes, allowed }),
        _ => Ok(()),
    }
}

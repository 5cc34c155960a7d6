//! Identifiers of rooms, messages, streams, sessions and connections. Each kind has a prefix, so none coincide.

use uuid::Uuid;

fn time_sorted(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::now_v7().simple())
}

/// A new room's id: `room-` and 32 hexadecimal digits.
pub fn new_room_id() -> String {
    time_sorted("room")
}

/// A new message's id, sorting by its time of creation.
pub fn new_message_id() -> String {
    time_sorted("msg")
}

/// A new session's id. Knowing it grants nothing; the resume token does.
pub fn new_session_id() -> String {
    time_sorted("session")
}

/// A new connection's id.
pub fn new_client_id() -> String {
    time_sorted("client")
}

/// A new stream's id. It carries its room's, so that a stream is found without an index of all streams.
pub fn new_stream_id(room_id: &str) -> String {
    let own = Uuid::new_v4().simple().to_string();
    format!("stream-{}-{}", room_id.trim_start_matches("room-"), &own[..12])
}

/// The room of a stream id, if it has a stream id's form.
pub fn room_of_stream(stream_id: &str) -> Option<String> {
    let (room, own) = stream_id.strip_prefix("stream-")?.rsplit_once('-')?;
    (!room.is_empty() && own.len() == 12).then(|| format!("room-{room}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_leads_to_its_room() {
        let room = new_room_id();
        assert_eq!(room_of_stream(&new_stream_id(&room)), Some(room));
        for bad in ["", "stream-", "stream-x", "room-1", "stream--0123456789ab"] {
            assert_eq!(room_of_stream(bad), None, "{bad}");
        }
    }
}

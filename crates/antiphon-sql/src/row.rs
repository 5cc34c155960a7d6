//! Rows to records and back. Words and numbers are stored as the wire has them.

use crate::record::{Answer, StoredMessage, StoredRoom};
use crate::statement::Row;
use crate::{ClientMessage, RecordsError};
use antiphon_core::{CreatedBy, Heard, Message, Position, Room, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The columns of a room. Named, so that a newer version may add some while this one runs: PostgreSQL refuses a prepared
/// `SELECT *` whose columns have changed.
macro_rules! room_columns {
    () => {
        "id, user_id, agent_id, name, room_type, visibility, status, is_ar, created_at, position"
    };
}
pub(crate) use room_columns;

/// The columns of a message and its stream.
macro_rules! message_columns {
    () => {
        "id, room_id, place, sender_id, role, content, spoken, markers, status, heard, created_at, stream_id, request_id, \
         asked_by, stream_status, attempt, chunks, started_at, reasoning, citations, error, \
         moved_attempts, moved_last"
    };
}
pub(crate) use message_columns;

/// A word of a closed enum, as its JSON string without the quotes.
pub(crate) fn word<T: Serialize>(value: T) -> Result<String, RecordsError> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(RecordsError::Value(other.to_string())),
    }
}

fn from_word<T: DeserializeOwned>(word: String) -> Result<T, RecordsError> {
    Ok(serde_json::from_value(serde_json::Value::String(word))?)
}

/// SQL's integers are signed; no number of ours comes near the sign.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(unsigned(millis))
}

pub(crate) fn room(row: &Row) -> Result<StoredRoom, RecordsError> {
    let user_id = row.text("user_id")?;
    Ok(StoredRoom {
        room: Room {
            id: row.text("id")?,
            agent_id: row.text_or_null("agent_id")?,
            created_by: CreatedBy { id: user_id.clone() },
            user_id,
            name: row.text_or_null("name")?,
            room_type: row.text("room_type")?,
            visibility: from_word(row.text("visibility")?)?,
            status: from_word(row.text("status")?)?,
            is_ar_conversation: row.boolean("is_ar")?,
            created_at: time(row.integer("created_at")?),
        },
        position: Position::parse(&row.text("position")?).map_err(|refusal| RecordsError::Value(refusal.message))?,
    })
}

pub(crate) fn message(row: &Row) -> Result<StoredMessage, RecordsError> {
    let citations = row.text_or_null("citations")?;
    let error = row.text_or_null("error")?;
    let message = Message {
        id: row.text("id")?,
        ar_room_id: row.text("room_id")?,
        sender_id: row.text("sender_id")?,
        role: from_word(row.text("role")?)?,
        content: row.text("content")?,
        text: row.text("spoken")?,
        markers: serde_json::from_str(&row.text("markers")?)?,
        status: from_word(row.text("status")?)?,
        stream_id: row.text_or_null("stream_id")?,
        heard: row.integer_or_null("heard")?.map(|offset| Heard { offset: unsigned(offset) }),
        reasoning: row.text("reasoning")?,
        citations: citations.map(|json| serde_json::from_str(&json)).transpose()?.unwrap_or_default(),
        error: error.map(|json| serde_json::from_str(&json)).transpose()?,
        created_at: time(row.integer("created_at")?),
    };
    Ok(StoredMessage { place: unsigned(row.integer("place")?), message, answer: answer(row)? })
}

fn answer(row: &Row) -> Result<Option<Answer>, RecordsError> {
    let Some(status) = row.text_or_null("stream_status")? else { return Ok(None) };
    Ok(Some(Answer {
        request_id: row.text("request_id")?,
        asked_by: row.text("asked_by")?,
        status: from_word(status)?,
        attempt: u32::try_from(row.integer("attempt")?).unwrap_or(0),
        moved_attempts: u32::try_from(row.integer("moved_attempts")?).unwrap_or(0),
        moved_last: u32::try_from(row.integer("moved_last")?).unwrap_or(0),
        chunks: unsigned(row.integer("chunks")?),
        started_at: row.integer_or_null("started_at")?.map(time),
    }))
}

pub(crate) fn client_message(row: &Row) -> Result<ClientMessage, RecordsError> {
    Ok(ClientMessage {
        user_id: row.text("user_id")?,
        client_message_id: row.text("client_message_id")?,
        content_hash: row.text("content_hash")?,
        message_id: row.text("message_id")?,
        stream_id: row.text_or_null("stream_id")?,
    })
}

//! Rows to records and back. Words and numbers are stored as the wire has them.

use crate::record::{Answer, StoredMessage, StoredRoom};
use crate::{ClientMessage, RecordsError};
use antiphon_core::{CreatedBy, Heard, Message, Position, Room, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

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

pub(crate) fn room(row: &SqliteRow) -> Result<StoredRoom, RecordsError> {
    let user_id: String = row.try_get("user_id")?;
    let position: String = row.try_get("position")?;
    Ok(StoredRoom {
        room: Room {
            id: row.try_get("id")?,
            agent_id: row.try_get("agent_id")?,
            created_by: CreatedBy { id: user_id.clone() },
            user_id,
            name: row.try_get("name")?,
            room_type: row.try_get("room_type")?,
            visibility: from_word(row.try_get("visibility")?)?,
            status: from_word(row.try_get("status")?)?,
            is_ar_conversation: row.try_get("is_ar")?,
            created_at: time(row.try_get("created_at")?),
        },
        position: Position::parse(&position).map_err(|refusal| RecordsError::Value(refusal.message))?,
    })
}

pub(crate) fn message(row: &SqliteRow) -> Result<StoredMessage, RecordsError> {
    let markers: String = row.try_get("markers")?;
    let citations: Option<String> = row.try_get("citations")?;
    let error: Option<String> = row.try_get("error")?;
    let message = Message {
        id: row.try_get("id")?,
        ar_room_id: row.try_get("room_id")?,
        sender_id: row.try_get("sender_id")?,
        role: from_word(row.try_get("role")?)?,
        content: row.try_get("content")?,
        text: row.try_get("spoken")?,
        markers: serde_json::from_str(&markers)?,
        status: from_word(row.try_get("status")?)?,
        stream_id: row.try_get("stream_id")?,
        heard: row.try_get::<Option<i64>, _>("heard")?.map(|offset| Heard { offset: unsigned(offset) }),
        reasoning: row.try_get("reasoning")?,
        citations: citations.map(|json| serde_json::from_str(&json)).transpose()?.unwrap_or_default(),
        error: error.map(|json| serde_json::from_str(&json)).transpose()?,
        created_at: time(row.try_get("created_at")?),
    };
    Ok(StoredMessage { place: unsigned(row.try_get("place")?), message, answer: answer(row)? })
}

fn answer(row: &SqliteRow) -> Result<Option<Answer>, RecordsError> {
    let Some(status) = row.try_get::<Option<String>, _>("stream_status")? else { return Ok(None) };
    Ok(Some(Answer {
        request_id: row.try_get("request_id")?,
        asked_by: row.try_get("asked_by")?,
        status: from_word(status)?,
        attempt: u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or(0),
        chunks: unsigned(row.try_get("chunks")?),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(time),
    }))
}

pub(crate) fn client_message(row: &SqliteRow) -> Result<ClientMessage, RecordsError> {
    Ok(ClientMessage {
        user_id: row.try_get("user_id")?,
        client_message_id: row.try_get("client_message_id")?,
        content_hash: row.try_get("content_hash")?,
        message_id: row.try_get("message_id")?,
        stream_id: row.try_get("stream_id")?,
    })
}

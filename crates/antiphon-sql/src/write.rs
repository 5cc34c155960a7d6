//! Writing: projections, and the removal of deleted rooms.

use crate::row::{signed, word};
use crate::{ClientMessage, Projection, Records, RecordsError, StoredMessage};
use antiphon_core::{Position, Room};
use sqlx::SqliteConnection;

impl Records {
    /// Writes a projection in one transaction. Repeating it changes nothing, and one that is behind what the records
    /// include already is refused whole: whoever wrote it no longer answers for the room.
    pub async fn project(&self, projection: &Projection) -> Result<(), RecordsError> {
        let mut transaction = self.writer().begin().await?;
        if !write_room(&mut transaction, &projection.room, projection.position).await? {
            return Err(RecordsError::Behind);
        }
        for stored in &projection.messages {
            write_message(&mut transaction, stored).await?;
        }
        for client_message in &projection.client_messages {
            write_client_message(&mut transaction, &projection.room.id, client_message).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a room and all that is in it.
    pub async fn remove(&self, room_id: &str) -> Result<(), RecordsError> {
        let mut transaction = self.writer().begin().await?;
        for statement in [
            "DELETE FROM client_messages WHERE room_id = $1",
            "DELETE FROM messages WHERE room_id = $1",
            "DELETE FROM rooms WHERE id = $1",
        ] {
            sqlx::query(statement).bind(room_id).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// False where the row includes a later position; positions of one channel sort by their bytes.
async fn write_room(connection: &mut SqliteConnection, room: &Room, position: Position) -> Result<bool, RecordsError> {
    let done = sqlx::query(
        "INSERT INTO rooms (id, user_id, agent_id, name, room_type, visibility, status, is_ar, created_at, position) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, position = excluded.position \
         WHERE excluded.position >= rooms.position",
    )
    .bind(&room.id)
    .bind(&room.user_id)
    .bind(room.agent_id.as_deref())
    .bind(room.name.as_deref())
    .bind(&room.room_type)
    .bind(word(room.visibility)?)
    .bind(word(room.status)?)
    .bind(room.is_ar_conversation)
    .bind(signed(room.created_at.millis()))
    .bind(position.to_string())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn write_message(connection: &mut SqliteConnection, stored: &StoredMessage) -> Result<(), RecordsError> {
    let message = &stored.message;
    let answer = stored.answer.as_ref();
    sqlx::query(
        "INSERT INTO messages (id, room_id, place, sender_id, role, content, spoken, markers, status, heard, \
         created_at, stream_id, request_id, asked_by, stream_status, attempt, chunks, started_at, \
         reasoning, citations, error) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
         ON CONFLICT (id) DO UPDATE SET content = excluded.content, spoken = excluded.spoken, \
         markers = excluded.markers, status = excluded.status, heard = excluded.heard, \
         stream_status = excluded.stream_status, attempt = excluded.attempt, chunks = excluded.chunks, \
         started_at = excluded.started_at, reasoning = excluded.reasoning, citations = excluded.citations, \
         error = excluded.error",
    )
    .bind(&message.id)
    .bind(&message.ar_room_id)
    .bind(signed(stored.place))
    .bind(&message.sender_id)
    .bind(word(message.role)?)
    .bind(&message.content)
    .bind(&message.text)
    .bind(serde_json::to_string(&message.markers)?)
    .bind(word(message.status)?)
    .bind(message.heard.map(|heard| signed(heard.offset)))
    .bind(signed(message.created_at.millis()))
    .bind(message.stream_id.as_deref())
    .bind(answer.map(|answer| answer.request_id.as_str()))
    .bind(answer.map(|answer| answer.asked_by.as_str()))
    .bind(answer.map(|answer| word(answer.status)).transpose()?)
    .bind(answer.map(|answer| i64::from(answer.attempt)))
    .bind(answer.map(|answer| signed(answer.chunks)))
    .bind(answer.and_then(|answer| answer.started_at).map(|started_at| signed(started_at.millis())))
    .bind(&message.reasoning)
    .bind(Some(&message.citations).filter(|all| !all.is_empty()).map(serde_json::to_string).transpose()?)
    .bind(message.error.as_ref().map(serde_json::to_string).transpose()?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_client_message(
    connection: &mut SqliteConnection,
    room_id: &str,
    client_message: &ClientMessage,
) -> Result<(), RecordsError> {
    sqlx::query(
        "INSERT INTO client_messages (room_id, user_id, client_message_id, content_hash, message_id, stream_id) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_id, user_id, client_message_id) DO NOTHING",
    )
    .bind(room_id)
    .bind(&client_message.user_id)
    .bind(&client_message.client_message_id)
    .bind(&client_message.content_hash)
    .bind(&client_message.message_id)
    .bind(client_message.stream_id.as_deref())
    .execute(connection)
    .await?;
    Ok(())
}

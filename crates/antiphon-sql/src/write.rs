//! Writing: projections, and the removal of deleted rooms.

use crate::database::{Connection, bounded};
use crate::row::{signed, word};
use crate::statement::Statement;
use crate::{ClientMessage, Projection, Records, RecordsError, StoredMessage};
use antiphon_core::{Position, Room};

impl Records {
    /// Writes a projection in one transaction. Repeating it changes nothing, and one that is behind what the records
    /// include already is refused whole: whoever wrote it no longer answers for the room.
    pub async fn project(&self, projection: &Projection) -> Result<(), RecordsError> {
        let mut connection = self.database().writer().await?;
        let written = bounded(connection.limit(), project(&mut connection, projection)).await;
        connection.release(written)
    }

    /// Forgets a room and all that is in it.
    pub async fn remove(&self, room_id: &str) -> Result<(), RecordsError> {
        let mut connection = self.database().writer().await?;
        let removed = bounded(connection.limit(), remove(&mut connection, room_id)).await;
        connection.release(removed)
    }
}

async fn project(connection: &mut Connection, projection: &Projection) -> Result<(), RecordsError> {
    let mut transaction = connection.begin().await?;
    // The room's row stays locked to the end, so of two owners one writes whole before the other looks.
    if transaction.run(room_statement(&projection.room, projection.position)?).await?.is_empty() {
        return Err(RecordsError::Behind);
    }
    for stored in &projection.messages {
        transaction.run(message_statement(stored)?).await?;
    }
    for client_message in &projection.client_messages {
        transaction.run(client_message_statement(&projection.room.id, client_message)).await?;
    }
    transaction.commit().await
}

async fn remove(connection: &mut Connection, room_id: &str) -> Result<(), RecordsError> {
    let mut transaction = connection.begin().await?;
    // Locks the room against a projection; where there is none yet, nothing is in it.
    let statement = Statement::new("UPDATE rooms SET status = status WHERE id = $1 RETURNING id");
    if transaction.run(statement.bind(room_id)).await?.is_empty() {
        return Ok(());
    }
    for text in [
        "DELETE FROM client_messages WHERE room_id = $1",
        "DELETE FROM messages WHERE room_id = $1",
        "DELETE FROM rooms WHERE id = $1",
    ] {
        transaction.run(Statement::new(text).bind(room_id)).await?;
    }
    transaction.commit().await
}

/// Gives no row where the records include a later position; positions of one channel sort by their bytes.
fn room_statement(room: &Room, position: Position) -> Result<Statement, RecordsError> {
    let statement = Statement::new(
        "INSERT INTO rooms (id, user_id, agent_id, name, room_type, visibility, status, is_ar, created_at, position) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, position = excluded.position \
         WHERE excluded.position >= rooms.position RETURNING id",
    );
    Ok(statement
        .bind(room.id.as_str())
        .bind(room.user_id.as_str())
        .bind(room.agent_id.as_deref())
        .bind(room.name.as_deref())
        .bind(room.room_type.as_str())
        .bind(word(room.visibility)?)
        .bind(word(room.status)?)
        .bind(room.is_ar_conversation)
        .bind(signed(room.created_at.millis()))
        .bind(position.to_string()))
}

fn message_statement(stored: &StoredMessage) -> Result<Statement, RecordsError> {
    let message = &stored.message;
    let answer = stored.answer.as_ref();
    let statement = Statement::new(
        "INSERT INTO messages (id, room_id, place, sender_id, role, content, spoken, markers, status, heard, \
         created_at, stream_id, request_id, asked_by, stream_status, attempt, chunks, started_at, \
         reasoning, citations, error, moved_attempts, moved_last) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         $22, $23) \
         ON CONFLICT (id) DO UPDATE SET content = excluded.content, spoken = excluded.spoken, \
         markers = excluded.markers, status = excluded.status, heard = excluded.heard, \
         stream_status = excluded.stream_status, attempt = excluded.attempt, chunks = excluded.chunks, \
         started_at = excluded.started_at, reasoning = excluded.reasoning, citations = excluded.citations, \
         error = excluded.error, moved_attempts = excluded.moved_attempts, moved_last = excluded.moved_last",
    );
    Ok(statement
        .bind(message.id.as_str())
        .bind(message.ar_room_id.as_str())
        .bind(signed(stored.place))
        .bind(message.sender_id.as_str())
        .bind(word(message.role)?)
        .bind(message.content.as_str())
        .bind(message.text.as_str())
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
        .bind(message.reasoning.as_str())
        .bind(Some(&message.citations).filter(|all| !all.is_empty()).map(serde_json::to_string).transpose()?)
        .bind(message.error.as_ref().map(serde_json::to_string).transpose()?)
        .bind(answer.map_or(0, |answer| i64::from(answer.moved_attempts)))
        .bind(answer.map_or(0, |answer| i64::from(answer.moved_last))))
}

fn client_message_statement(room_id: &str, client_message: &ClientMessage) -> Statement {
    let statement = Statement::new(
        "INSERT INTO client_messages (room_id, user_id, client_message_id, content_hash, message_id, stream_id) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_id, user_id, client_message_id) DO NOTHING",
    );
    statement
        .bind(room_id)
        .bind(client_message.user_id.as_str())
        .bind(client_message.client_message_id.as_str())
        .bind(client_message.content_hash.as_str())
        .bind(client_message.message_id.as_str())
        .bind(client_message.stream_id.as_deref())
}

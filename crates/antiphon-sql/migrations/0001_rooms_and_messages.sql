-- A fold of the rooms' channels: each room's row names the position that it and its messages include.
CREATE TABLE rooms (
    id              TEXT    NOT NULL PRIMARY KEY,
    user_id         TEXT    NOT NULL,
    agent_id        TEXT,
    name            TEXT,
    room_type       TEXT    NOT NULL,
    visibility      TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    is_ar           BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    position        TEXT    NOT NULL
);
CREATE INDEX rooms_by_user ON rooms (user_id, is_ar, id);
CREATE INDEX rooms_by_visibility ON rooms (visibility, is_ar, id);

CREATE TABLE messages (
    id              TEXT    NOT NULL PRIMARY KEY,
    room_id         TEXT    NOT NULL REFERENCES rooms (id),
    place           BIGINT  NOT NULL,
    sender_id       TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    content         TEXT    NOT NULL,
    spoken          TEXT    NOT NULL,
    markers         TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    heard           BIGINT,
    created_at      BIGINT  NOT NULL,
    stream_id       TEXT    UNIQUE,
    request_id      TEXT,
    asked_by        TEXT,
    stream_status   TEXT,
    attempt         BIGINT,
    chunks          BIGINT,
    started_at      BIGINT,
    UNIQUE (room_id, place)
);
CREATE INDEX messages_with_open_streams ON messages (room_id) WHERE stream_status IN ('queued', 'active', 'paused');

CREATE TABLE client_messages (
    room_id             TEXT NOT NULL REFERENCES rooms (id),
    user_id             TEXT NOT NULL,
    client_message_id   TEXT NOT NULL,
    content_hash        TEXT NOT NULL,
    message_id          TEXT NOT NULL,
    stream_id           TEXT,
    PRIMARY KEY (room_id, user_id, client_message_id)
);

-- Which process owns which shard. Every time is the database's own, in milliseconds since 1970, so that no process's clock
-- matters.
CREATE VIEW database_clock AS SELECT CAST(unixepoch('subsec') * 1000 AS BIGINT) AS millis;

-- One row: what the deployment was created with.
CREATE TABLE deployment (
    id              BIGINT  NOT NULL PRIMARY KEY,
    shards          BIGINT  NOT NULL
);

CREATE TABLE processes (
    id              TEXT    NOT NULL PRIMARY KEY,
    address         TEXT    NOT NULL,
    roles           TEXT    NOT NULL,
    expires_at      BIGINT  NOT NULL
);

-- An epoch and an incarnation only ever grow. A process that is gone holds nothing.
CREATE TABLE shards (
    shard           BIGINT  NOT NULL PRIMARY KEY,
    epoch           BIGINT  NOT NULL,
    incarnation     BIGINT  NOT NULL,
    process_id      TEXT    REFERENCES processes (id) ON DELETE SET NULL,
    expires_at      BIGINT  NOT NULL
);

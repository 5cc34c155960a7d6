-- Attempts of an answer that ended because its room was given to another process: they do not count.
ALTER TABLE messages ADD COLUMN moved_attempts BIGINT NOT NULL DEFAULT 0;
-- The latest of them; 0 where there is none.
ALTER TABLE messages ADD COLUMN moved_last BIGINT NOT NULL DEFAULT 0;

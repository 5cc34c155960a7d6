-- What all processes of a deployment have to have alike, as its first process had it. Null where nobody has said it yet, or
-- where the topology has no use for it.
ALTER TABLE deployment ADD COLUMN topology TEXT;
ALTER TABLE deployment ADD COLUMN kafka_topic TEXT;
ALTER TABLE deployment ADD COLUMN redis_prefix TEXT;

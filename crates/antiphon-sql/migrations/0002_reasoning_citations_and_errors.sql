-- What an answer came with beside its text: what the model thought, its sources, and why it is not whole.
ALTER TABLE messages ADD COLUMN reasoning TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN citations TEXT;
ALTER TABLE messages ADD COLUMN error TEXT;

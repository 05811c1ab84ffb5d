-- Incremental reads: where the next one begins, and how many there have been since the last full one.

ALTER TABLE syncs ADD COLUMN watermark text;
ALTER TABLE syncs ADD COLUMN incrementals bigint NOT NULL DEFAULT 0;
-- How many there may be in a row; null: every read is full.
ALTER TABLE syncs ADD COLUMN most_incrementals bigint;

-- A run that failed because the provider could not be reached leaves a checkpoint that the next
-- period goes on from.

ALTER TABLE sync_runs ADD COLUMN resumable boolean NOT NULL DEFAULT false;

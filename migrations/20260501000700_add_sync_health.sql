-- Which syncs are behind and which fail, so that nobody has to look for it in their history.

-- When the newest run that succeeded ended.
ALTER TABLE syncs ADD COLUMN last_succeeded_at timestamptz;
-- The same in milliseconds since 1970, or when the sync was created if none has succeeded. A number,
-- so that an index can add the period to it.
ALTER TABLE syncs ADD COLUMN fresh_ms bigint NOT NULL DEFAULT 0;
-- Since when its runs fail, and what the newest one said. Null where that one succeeded.
ALTER TABLE syncs ADD COLUMN failing_since timestamptz;
ALTER TABLE syncs ADD COLUMN failing_reason text;

UPDATE syncs SET last_succeeded_at = (
    SELECT r.finished_at FROM sync_runs r WHERE r.sync_id = syncs.id AND r.state = 'succeeded'
    ORDER BY r.id DESC LIMIT 1);
UPDATE syncs SET (failing_since, failing_reason) = (
    SELECT r.finished_at, r.error_message FROM sync_runs r
    WHERE r.state IN ('failed', 'stalled') AND r.id = (
        SELECT newest.id FROM sync_runs newest
        WHERE newest.sync_id = syncs.id AND newest.finished_at IS NOT NULL
        ORDER BY newest.id DESC LIMIT 1));

CREATE INDEX syncs_failing ON syncs (application_id, id) WHERE failing_since IS NOT NULL;
CREATE INDEX syncs_paused ON syncs (application_id, id) WHERE paused;
CREATE INDEX connections_status ON connections (status);
CREATE INDEX missing_records_held_by_object ON missing_records (connection_id, object)
    WHERE held_since IS NOT NULL;
CREATE INDEX webhook_endpoints_disabled ON webhook_endpoints (id) WHERE NOT enabled;

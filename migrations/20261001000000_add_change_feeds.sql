-- One order of all changes of a connection: the change feed.

-- The newest stamp (last_modified_at) of a connection's rows, in milliseconds. Taking the next one locks
-- the row, so stamps grow in commit order over all of the connection's objects. Until now each sync had
-- its own, syncs.last_stamp_ms, which is not used any more.
CREATE TABLE change_feeds (
    connection_id text PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    -- Another one after a restore: cursors of an earlier one are refused.
    epoch text NOT NULL,
    last_stamp_ms bigint NOT NULL,
    -- The stamp before the newest.
    previous_stamp_ms bigint NOT NULL,
    -- The soonest that `records.changed` is told again.
    tell_again_at timestamptz
);

INSERT INTO change_feeds (connection_id, epoch, last_stamp_ms, previous_stamp_ms)
SELECT c.id, '1',
    COALESCE((SELECT MAX(s.last_stamp_ms) FROM syncs s WHERE s.connection_id = c.id), 0),
    COALESCE((SELECT MAX(s.last_stamp_ms) FROM syncs s WHERE s.connection_id = c.id), 0)
FROM connections c;

-- Connections whose changes are still to be told by `records.changed`.
CREATE TABLE change_notices (
    connection_id text PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    -- The stamp before the first of them.
    after_stamp_ms bigint NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX change_notices_due ON change_notices (due_at);

-- The stamps with which a row was inserted, and with which it came back after a deletion.
ALTER TABLE engagement_users ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_users ADD COLUMN restored_at timestamptz;
ALTER TABLE engagement_mailboxes ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_mailboxes ADD COLUMN restored_at timestamptz;
ALTER TABLE engagement_sequences ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_sequences ADD COLUMN restored_at timestamptz;
ALTER TABLE engagement_accounts ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_accounts ADD COLUMN restored_at timestamptz;
ALTER TABLE engagement_contacts ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_contacts ADD COLUMN restored_at timestamptz;
ALTER TABLE engagement_sequence_states ADD COLUMN first_stored_at timestamptz;
ALTER TABLE engagement_sequence_states ADD COLUMN restored_at timestamptz;

-- The newest stamp of the connection when the run was queued: its events name it as a cursor.
ALTER TABLE sync_runs ADD COLUMN began_after_ms bigint;

-- Soft deletion: which rows scans no longer see, and why rows were marked deleted.

ALTER TABLE sync_runs ADD COLUMN records_missing bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_runs ADD COLUMN deletes_held bigint NOT NULL DEFAULT 0;

-- The place of the scanned object among those of a connection: the small ones go first.
ALTER TABLE sync_runs ADD COLUMN scan_rank bigint NOT NULL DEFAULT 0;
UPDATE sync_runs SET scan_rank = CASE object
    WHEN 'account' THEN 1 WHEN 'contact' THEN 2 WHEN 'sequence_state' THEN 2 ELSE 0
END;

-- A run may read its pages more than once; each reading is a pass.
CREATE TABLE sync_run_pages_by_pass (
    run_id text NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    pass bigint NOT NULL,
    page bigint NOT NULL,
    ids jsonb NOT NULL,
    -- [{"id", "reason"}] of the records that were kept out; null when there were none.
    rejected jsonb,
    -- The ids of the records that carried these, where no run of their own keeps them.
    carriers jsonb,
    PRIMARY KEY (run_id, pass, page)
);
INSERT INTO sync_run_pages_by_pass (run_id, pass, page, ids, rejected)
    SELECT run_id, 1, page, ids, rejected FROM sync_run_pages;
DROP TABLE sync_run_pages;
ALTER TABLE sync_run_pages_by_pass RENAME TO sync_run_pages;

-- Live rows that a scan read to its end did not see. Absence is no proof: see model/src/sweep.rs.
CREATE TABLE missing_records (
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    object text NOT NULL,
    record_id text NOT NULL,
    missing_since timestamptz NOT NULL,
    -- The runs that missed it first and last.
    first_missed_by text NOT NULL,
    last_missed_by text NOT NULL,
    -- Whole quiet reads in a row that lacked it.
    complete_misses bigint NOT NULL,
    -- What the provider said of it by id (gone, hidden), and the run that asked last, and when.
    lookup text,
    lookup_reason text,
    looked_up_by text,
    looked_up_at timestamptz,
    -- The first run that would have deleted it and waits for somebody's word.
    held_since text,
    PRIMARY KEY (connection_id, object, record_id)
);

-- What happened to a row's presence, and why. Enough to explain every deleted row.
CREATE TABLE record_history (
    id text PRIMARY KEY,
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    object text NOT NULL,
    record_id text NOT NULL,
    run_id text NOT NULL,
    event text NOT NULL CHECK (
        event IN ('missing', 'seen_again', 'held', 'deleted', 'restored')
    ),
    reason text NOT NULL,
    -- Of a record that goes missing: the run that saw it last, as far as that is known.
    last_seen_by text,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX record_history_record ON record_history (connection_id, object, record_id, id);

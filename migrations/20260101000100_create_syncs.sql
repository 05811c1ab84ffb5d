-- Syncs, their runs, and the events that runs owe to the outside.

CREATE TABLE syncs (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    sync_config_id text NOT NULL REFERENCES sync_configs (id),
    object text NOT NULL,
    period_ms bigint NOT NULL,
    paused boolean NOT NULL,
    paused_reason text,
    -- Who paused it: manual, config, or credentials (new ones resume it).
    paused_cause text,
    next_run_at timestamptz NOT NULL,
    -- Somebody asked for a run; also while one is active, or while the sync is paused.
    triggered_at timestamptz,
    full_refresh boolean NOT NULL,
    -- The newest last_modified_at given to a row of this connection and object, in milliseconds.
    -- Taking the next one locks the row, so stamps grow in commit order.
    last_stamp_ms bigint NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (connection_id, object)
);

-- The two ways of being due.
CREATE INDEX syncs_next_run ON syncs (next_run_at) WHERE NOT paused;
CREATE INDEX syncs_triggered ON syncs (triggered_at) WHERE triggered_at IS NOT NULL;

CREATE TABLE sync_runs (
    id text PRIMARY KEY,
    -- Runs that share one scan of the provider's pages share this id, state, lease and checkpoint.
    -- It is the id of the run that leads the scan.
    scan_id text NOT NULL,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    sync_id text NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    object text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'stalled', 'cancelled')
    ),
    -- When a worker may take it: its start, the opening of its window, or the expiry of its lease.
    due_at timestamptz NOT NULL,
    waiting_reason text,
    lease_owner text,
    fence bigint NOT NULL,
    full_refresh boolean NOT NULL,
    checkpoint jsonb NOT NULL,
    records_read bigint NOT NULL,
    records_created bigint NOT NULL,
    records_updated bigint NOT NULL,
    records_unchanged bigint NOT NULL,
    records_deleted bigint NOT NULL,
    records_rejected bigint NOT NULL,
    requests_made bigint NOT NULL,
    num_records_synced bigint,
    coverage jsonb,
    error_message text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz
);

-- At most one active run of an object of a connection.
CREATE UNIQUE INDEX sync_runs_one_active ON sync_runs (sync_id)
    WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX sync_runs_due ON sync_runs (due_at)
    WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX sync_runs_scan ON sync_runs (scan_id);
CREATE INDEX sync_runs_sync ON sync_runs (sync_id, id);
CREATE INDEX sync_runs_connection ON sync_runs (connection_id);
CREATE INDEX sync_runs_application ON sync_runs (application_id, id);

-- What a run saw, page by page, written in the page's own transaction.
CREATE TABLE sync_run_pages (
    run_id text NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    page bigint NOT NULL,
    ids jsonb NOT NULL,
    -- [{"id", "reason"}] of the records that were kept out; null when there were none.
    rejected jsonb,
    PRIMARY KEY (run_id, page)
);

CREATE TABLE outbox (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX outbox_application ON outbox (application_id, id);

-- What is at work and what it waits for, for those who look at it. The last condition is always true:
-- only a statement that repeats it may use this index, so the queue's keep to their own.
CREATE INDEX sync_runs_active_by_state ON sync_runs (state, waiting_reason, connection_id)
    WHERE state IN ('queued', 'running', 'waiting') AND records_read >= 0;

-- The queue asks for what is active and for nothing else: each of these indexes holds active rows
-- alone, however many finished runs the table keeps. Both databases take one only for a statement
-- that repeats its condition word for word.
--
-- `IS NOT NULL` keeps an index to statements that ask by its key. A planner whose statistics are from
-- a quiet moment takes every one of them for empty, and would as soon read the whole of any.

DROP INDEX sync_runs_one_active;
-- At most one active run of an object of a connection.
CREATE UNIQUE INDEX sync_runs_one_active ON sync_runs (sync_id)
    WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting');
DROP INDEX sync_runs_due;
-- Scans, by their leading runs, in the order in which they became due.
CREATE INDEX sync_runs_due_scans ON sync_runs (due_at, id)
    WHERE due_at IS NOT NULL AND id = scan_id AND state IN ('queued', 'running', 'waiting');
-- Whether a smaller scan of the connection goes first, and whether a run may join a scan.
CREATE INDEX sync_runs_scans_of_connection ON sync_runs (connection_id, scan_rank)
    WHERE connection_id IS NOT NULL AND id = scan_id
      AND state IN ('queued', 'running', 'waiting');
-- What a customer has due and at work.
CREATE INDEX sync_runs_scans_of_customer ON sync_runs (application_id, customer_id, due_at)
    WHERE customer_id IS NOT NULL AND id = scan_id
      AND state IN ('queued', 'running', 'waiting');
-- The latest start and the longest lease: later ones than can be were stamped by a wrong clock.
CREATE INDEX sync_runs_queued_scans ON sync_runs (due_at) WHERE id = scan_id AND state = 'queued';
CREATE INDEX sync_runs_leased_scans ON sync_runs (due_at) WHERE id = scan_id AND state = 'running';

-- When a waiting run was put off.
ALTER TABLE sync_runs ADD COLUMN put_off_at timestamptz;
UPDATE sync_runs SET put_off_at = created_at WHERE state = 'waiting';
CREATE INDEX sync_runs_waiting_scans ON sync_runs (put_off_at)
    WHERE put_off_at IS NOT NULL AND id = scan_id AND state = 'waiting';

-- Whether the ids that a run saw are still kept. Few runs of a sync have any; the others would be
-- looked through at the end of every run.
ALTER TABLE sync_runs ADD COLUMN keeps_pages boolean NOT NULL DEFAULT false;
UPDATE sync_runs SET keeps_pages = true
    WHERE state IN ('queued', 'running', 'waiting')
       OR id IN (SELECT run_id FROM sync_run_pages WHERE rejected IS NULL);
CREATE INDEX sync_runs_with_pages ON sync_runs (sync_id, id) WHERE keeps_pages;

-- A customer's runs, newest first.
CREATE INDEX sync_runs_customer ON sync_runs (application_id, customer_id, id);

-- The three ways of being due.
DROP INDEX syncs_next_run;
DROP INDEX syncs_triggered;
CREATE INDEX syncs_triggered ON syncs (next_run_at, id) WHERE triggered_at IS NOT NULL;
CREATE INDEX syncs_due ON syncs (next_run_at, id) WHERE NOT paused AND triggered_at IS NULL;
CREATE INDEX syncs_forbidden ON syncs (next_run_at, id)
    WHERE paused_cause = 'forbidden' AND triggered_at IS NULL;
-- The latest time of each period: a later one than can be was stamped by a wrong clock.
CREATE INDEX syncs_by_period ON syncs (period_ms, next_run_at) WHERE NOT paused;

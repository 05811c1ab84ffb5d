-- What a sync's last run left, so that nobody looks for it among all its runs; ids don't tell which
-- run is the last where the clock was set back.

ALTER TABLE syncs ADD COLUMN last_run_id text;
UPDATE syncs SET last_run_id = (SELECT max(r.id) FROM sync_runs r WHERE r.sync_id = syncs.id);

-- What the last run that succeeded covered: the next one begins by it.
ALTER TABLE syncs ADD COLUMN last_coverage jsonb;
UPDATE syncs SET last_coverage = (
    SELECT r.coverage FROM sync_runs r
    WHERE r.sync_id = syncs.id AND r.state = 'succeeded' ORDER BY r.id DESC LIMIT 1);

UPDATE syncs
SET fresh_ms = CAST(extract(epoch FROM COALESCE(last_succeeded_at, created_at)) * 1000 AS bigint);

-- By the moment from which on a sync counts as behind: see store/src/health.rs.
CREATE INDEX syncs_behind ON syncs
    (object, (fresh_ms + CASE WHEN period_ms < 1800000 THEN 3600000 ELSE 2 * period_ms END))
    WHERE NOT paused;

UPDATE syncs
SET fresh_ms = CAST(round((julianday(COALESCE(last_succeeded_at, created_at)) - 2440587.5) * 86400000)
                    AS integer);

-- By the moment from which on a sync counts as behind: see store/src/health.rs.
CREATE INDEX syncs_behind ON syncs
    (object, (fresh_ms + CASE WHEN period_ms < 1800000 THEN 3600000 ELSE 2 * period_ms END))
    WHERE NOT paused;

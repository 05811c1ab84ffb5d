-- Finding what an endpoint is owed costs the same however much waits, and however much was delivered:
-- each index holds what waits alone, in the order in which it is sent.

DROP INDEX webhook_deliveries_due;

-- When it was last tried; null for what was tried by an earlier version.
ALTER TABLE webhook_deliveries ADD COLUMN tried_at timestamptz;

-- Never tried: due at once, in the order of the events.
CREATE INDEX webhook_deliveries_untried ON webhook_deliveries (endpoint_id, message_id)
    WHERE state = 'pending' AND attempts_made = 0;
-- Tried in vain: each is due at its own time.
CREATE INDEX webhook_deliveries_retried ON webhook_deliveries (endpoint_id, due_at, message_id)
    WHERE state = 'pending' AND attempts_made > 0;
-- The same by when they were tried, which finds those that were tried in the future.
CREATE INDEX webhook_deliveries_retried_by_attempt ON webhook_deliveries (endpoint_id, tried_at)
    WHERE state = 'pending' AND attempts_made > 0;

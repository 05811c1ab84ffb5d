-- What is stored of each object, and the work that is left after a stricter policy.

-- model::StorePolicy; null: everything is stored. A run has that of its sync, so that a page learns
-- the present one under the lock of its run.
ALTER TABLE syncs ADD COLUMN store_policy jsonb;
ALTER TABLE sync_runs ADD COLUMN store_policy jsonb;

-- What has to be removed from what is stored: once after a policy became stricter, and every hour
-- where records are kept for a time. A step is one transaction that holds the row.
CREATE TABLE store_tasks (
    -- Connection and object; of enrichment: application, provider and object.
    id text PRIMARY KEY,
    application_id text NOT NULL,
    provider_name text NOT NULL,
    -- Null: it is about the results of enrichment.
    connection_id text REFERENCES connections (id) ON DELETE CASCADE,
    object text NOT NULL,
    policy jsonb NOT NULL,
    -- Since when something is stored that the policy doesn't allow; null: nothing is.
    pending_since timestamptz,
    due_at timestamptz NOT NULL,
    -- What is gone through, and up to where.
    stage text NOT NULL,
    position text NOT NULL
);
CREATE INDEX store_tasks_due ON store_tasks (due_at);
CREATE INDEX store_tasks_pending ON store_tasks (application_id, provider_name, object)
    WHERE pending_since IS NOT NULL;
CREATE INDEX store_tasks_connection ON store_tasks (connection_id) WHERE connection_id IS NOT NULL;

-- By which the erasure of a person finds what is kept of a customer's calls.
CREATE INDEX approvals_by_customer ON approvals (application_id, customer_id, id);
CREATE INDEX audit_log_by_customer ON audit_log (application_id, customer_id, id)
    WHERE customer_id IS NOT NULL;

-- By which results of enrichment are gone through when less of them may be stored.
CREATE INDEX enrichment_answers_application ON enrichment_answers (application_id, provider_name, id);

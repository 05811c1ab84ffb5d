-- Where events are told, with which secrets, and what became of each attempt.

CREATE TABLE webhook_endpoints (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    url text NOT NULL,
    description text NOT NULL,
    -- A JSON array; an empty one asks for all events.
    event_types jsonb NOT NULL,
    enabled boolean NOT NULL,
    -- Why Syncline disabled it.
    disabled_reason text,
    -- The first failed attempt since something arrived.
    failing_since timestamptz,
    -- Whoever delivers to it holds it until then; a time that is over says when it was last held.
    leased_until timestamptz NOT NULL,
    lease_owner text,
    fence bigint NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX webhook_endpoints_application ON webhook_endpoints (application_id, id);

-- Every secret that still signs, the newest without an end.
CREATE TABLE webhook_secrets (
    id text PRIMARY KEY,
    endpoint_id text NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    -- Sealed: see store/src/sealing.rs.
    secret text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id, id);

-- One event on its way to one endpoint. No foreign key to the endpoint: the transaction of a fact
-- must not fail because somebody deletes an endpoint meanwhile. What is left over goes with its event.
CREATE TABLE webhook_deliveries (
    id text PRIMARY KEY,
    message_id text NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    endpoint_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    due_at timestamptz NOT NULL,
    -- Of the schedule that runs; a replay begins a new one.
    attempts_made bigint NOT NULL,
    -- Which schedule it is, so that the end of an attempt of an earlier one doesn't end this one.
    schedule bigint NOT NULL,
    UNIQUE (endpoint_id, message_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_message ON webhook_deliveries (message_id);

CREATE TABLE webhook_attempts (
    id text PRIMARY KEY,
    message_id text NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    endpoint_id text NOT NULL,
    attempted_at timestamptz NOT NULL,
    duration_ms bigint NOT NULL,
    -- Null: no answer.
    response_status bigint,
    -- The beginning of the answer's body.
    response_body text,
    -- Null: it arrived.
    error text,
    next_attempt_at timestamptz
);
CREATE INDEX webhook_attempts_message ON webhook_attempts (message_id, id);

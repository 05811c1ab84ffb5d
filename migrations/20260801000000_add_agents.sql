-- Agents: what each may do, which of their calls wait for a person, and what credits they spent.

-- What a key of the role `agent` may do; null for other keys.
ALTER TABLE api_keys ADD COLUMN grants jsonb;

CREATE TABLE approvals (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    -- The agent that asked, with its name at that time.
    api_key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    requested_by text NOT NULL,
    action text NOT NULL,
    -- May be deleted meanwhile: who approved what stays, and the call fails.
    connection_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    -- Sealed: the input as the agent sent it, and later what came of it.
    input text NOT NULL,
    result text,
    -- SHA-256 of action, connection and input, by which the same call finds this one.
    call_digest text NOT NULL,
    -- `pending`, `approved`, `denied`, `expired`, `done` or `failed`.
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The key that decided, with its name.
    decided_by text,
    decided_by_name text,
    decided_at timestamptz,
    -- Until when the process that runs the approved call may take; null before one does.
    running_until timestamptz,
    -- When the agent was told what came of it.
    collected_at timestamptz
);
CREATE INDEX approvals_by_status ON approvals (application_id, status, id);
CREATE INDEX approvals_by_application ON approvals (application_id, id);
-- Those that the same call of an agent joins.
CREATE INDEX approvals_open ON approvals (api_key_id, call_digest) WHERE collected_at IS NULL;
CREATE INDEX approvals_to_run ON approvals (decided_at) WHERE status = 'approved';
CREATE INDEX approvals_pending ON approvals (expires_at) WHERE status = 'pending';
CREATE INDEX approvals_pending_of_key ON approvals (api_key_id) WHERE status = 'pending';
CREATE INDEX approvals_expiry ON approvals (expires_at);

-- What an agent's call may cost, or has cost once it is settled.
CREATE TABLE agent_credits (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    api_key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    connection_id text NOT NULL,
    reserved_at timestamptz NOT NULL,
    credits bigint NOT NULL,
    settled boolean NOT NULL
);
CREATE INDEX agent_credits_by_key ON agent_credits (api_key_id, reserved_at);
CREATE INDEX agent_credits_by_connection ON agent_credits (connection_id, reserved_at);
CREATE INDEX agent_credits_expiry ON agent_credits (reserved_at);

-- How many requests callers sent to a provider account, by hour; what syncs sent is in their runs.
CREATE TABLE request_counts (
    account_id text NOT NULL,
    hour timestamptz NOT NULL,
    endpoint text NOT NULL,
    -- `api`, `passthrough`, or the id of an agent's key.
    sent_by text NOT NULL,
    requests bigint NOT NULL,
    PRIMARY KEY (account_id, hour, endpoint, sent_by)
);
CREATE INDEX request_counts_expiry ON request_counts (hour);

-- What writes through the unified API need: answers that are given again for the same idempotency
-- key, and locks that keep two callers from creating the same record.

CREATE TABLE idempotency_keys (
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    idempotency_key text NOT NULL,
    -- SHA-256 over method, path and body, hex.
    request_hash text NOT NULL,
    -- Null while the request is at work, and for ever if its process died.
    status bigint,
    body text,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, idempotency_key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE write_locks (
    connection_id text NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    name text NOT NULL,
    owner text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- What the last holder wrote: the provider's search may not know of it yet.
    record_id text,
    forgotten_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, name)
);
CREATE INDEX write_locks_forgotten ON write_locks (forgotten_at);

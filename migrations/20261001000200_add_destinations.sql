-- Destinations: other stores that get what the tables have, fed from the change feeds.

CREATE TABLE destinations (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    -- Sync configs name it.
    name text NOT NULL,
    type text NOT NULL CHECK (type IN ('postgres', 's3')),
    -- What is shown of it.
    config jsonb NOT NULL,
    -- Passwords and keys, as JSON. Sealed: see store/src/sealing.
    secrets text NOT NULL,
    -- Grows with each update.
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    -- Since when it fails, with how many failures in a row, and the newest one.
    failing_since timestamptz,
    failures bigint NOT NULL DEFAULT 0,
    error text,
    -- Nothing is tried before that.
    retry_at timestamptz,
    UNIQUE (application_id, name)
);

-- A connection whose changes a destination gets.
CREATE TABLE destination_feeds (
    destination_id text NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    -- Not a foreign key: what a destination has of it is removed after the connection.
    connection_id text NOT NULL,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_name text NOT NULL,
    -- When a worker may take it: its changes, or the expiry of its lease; null: nothing has changed.
    due_at timestamptz,
    lease_owner text,
    fence bigint NOT NULL,
    -- False: its sync config is gone. It gets no more changes, and still what has to be removed.
    fed boolean NOT NULL,
    -- The newest stamp that the destination has, as far as it is known here. The checkpoint itself is at
    -- the destination.
    stamp_ms bigint,
    written_at timestamptz,
    PRIMARY KEY (connection_id, destination_id)
);
CREATE INDEX destination_feeds_due ON destination_feeds (destination_id, due_at)
    WHERE due_at IS NOT NULL;

-- What a destination still has to remove: rows that the tables don't have any more.
CREATE TABLE destination_removals (
    id text PRIMARY KEY,
    destination_id text NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    connection_id text NOT NULL,
    -- Null: all objects, and the connection itself is gone.
    object text,
    -- A JSON array; null: all records of the object.
    record_ids jsonb,
    -- Rows with later stamps stay: they were read anew.
    until_ms bigint NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX destination_removals_connection
    ON destination_removals (destination_id, connection_id, id);

-- Who uses this engine: applications, their API keys, providers, customers and connections.
-- One text for both databases: SQLite takes the PostgreSQL type names as they are.

CREATE TABLE applications (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- SHA-256 of the key, hex. The keys are random, so a slow hash would add nothing.
    key_hash text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE providers (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (application_id, name)
);

CREATE TABLE sync_configs (
    id text PRIMARY KEY,
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    provider_name text NOT NULL,
    destination_name text NOT NULL,
    config jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (application_id, provider_name)
);

CREATE TABLE customers (
    application_id text NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    customer_id text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, customer_id)
);

CREATE TABLE connections (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_id text NOT NULL REFERENCES providers (id),
    provider_name text NOT NULL,
    -- Sealed: see store/src/sealing.rs.
    credentials text NOT NULL,
    status text NOT NULL CHECK (status IN ('healthy', 'unauthorized', 'limited', 'unverified')),
    capabilities jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    last_synced_at timestamptz,
    UNIQUE (application_id, customer_id, provider_name),
    FOREIGN KEY (application_id, customer_id) REFERENCES customers (application_id, customer_id)
);

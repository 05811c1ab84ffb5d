-- Links under which a customer connects its own account.

CREATE TABLE magic_links (
    id text PRIMARY KEY,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_id text NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    provider_name text NOT NULL,
    -- The secret part of the link's URL. Lists show the URL, so it is stored as it is.
    token text NOT NULL UNIQUE,
    return_url text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- When a connection was made with it; a link works once.
    consumed_at timestamptz,
    FOREIGN KEY (application_id, customer_id)
        REFERENCES customers (application_id, customer_id) ON DELETE CASCADE
);
CREATE INDEX magic_links_customer ON magic_links (application_id, customer_id);

-- OAuth 2.0: an application's client at a provider, and whose turn it is to refresh tokens.

-- Null of all four: the provider is connected by API key, or the client is that of the installation.
ALTER TABLE providers ADD COLUMN oauth_client_id text;
-- Sealed.
ALTER TABLE providers ADD COLUMN oauth_client_secret text;
-- A list of texts.
ALTER TABLE providers ADD COLUMN oauth_scopes jsonb;
-- The application's own name for its client.
ALTER TABLE providers ADD COLUMN provider_app_id text;
ALTER TABLE providers ADD COLUMN auth_type text NOT NULL DEFAULT 'api_key';

-- Raised whenever the credentials are replaced; not when they are sealed anew.
ALTER TABLE connections ADD COLUMN credentials_version bigint NOT NULL DEFAULT 0;
-- Who refreshes the tokens, until when; raised with each lease.
ALTER TABLE connections ADD COLUMN refresh_fence bigint NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN refresh_until timestamptz;
-- Why the last refresh failed. The next one may begin at refresh_until.
ALTER TABLE connections ADD COLUMN refresh_error text;
-- When the tokens have to be refreshed even if nobody uses them.
ALTER TABLE connections ADD COLUMN refresh_due_at timestamptz;
CREATE INDEX connections_refresh_due ON connections (refresh_due_at)
    WHERE refresh_due_at IS NOT NULL;

-- Customers who were sent to a provider and have not come back yet. A row works once.
CREATE TABLE oauth_authorizations (
    -- Digests of the `state` in the URL, and of the cookie of the browser that it was given to.
    state_digest text PRIMARY KEY,
    browser_digest text NOT NULL,
    application_id text NOT NULL,
    customer_id text NOT NULL,
    provider_id text NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    -- The magic link by which the customer came.
    magic_link_id text REFERENCES magic_links (id) ON DELETE CASCADE,
    return_url text NOT NULL,
    redirect_uri text NOT NULL,
    -- The proof key (PKCE), sealed.
    verifier text NOT NULL,
    -- Whether the connection's syncs start; null: as the sync config says.
    auto_start boolean,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    FOREIGN KEY (application_id, customer_id)
        REFERENCES customers (application_id, customer_id) ON DELETE CASCADE
);
CREATE INDEX oauth_authorizations_expiry ON oauth_authorizations (expires_at);

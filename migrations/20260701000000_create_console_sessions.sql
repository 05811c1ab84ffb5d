-- People who are signed in to the console, each with the API key that they signed in with.

CREATE TABLE console_sessions (
    -- The SHA-256 of what the browser's cookie or the sign-in link has.
    digest text PRIMARY KEY,
    application_id text NOT NULL,
    api_key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    -- `session`, or `link`: a sign-in link that nobody has opened yet.
    kind text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX console_sessions_expiry ON console_sessions (expires_at);
CREATE INDEX console_sessions_by_key ON console_sessions (api_key_id);

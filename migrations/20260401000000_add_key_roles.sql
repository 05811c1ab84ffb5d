-- What an API key may do, and until when.

ALTER TABLE api_keys ADD COLUMN role text NOT NULL DEFAULT 'admin';
-- Rules that take the place of the role's.
ALTER TABLE api_keys ADD COLUMN policy jsonb;
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
ALTER TABLE api_keys ADD COLUMN revoked_at timestamptz;
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;

-- A key that somebody presents is looked up by the first digits of its hash.
CREATE INDEX api_keys_by_prefix ON api_keys (substr(key_hash, 1, 16));

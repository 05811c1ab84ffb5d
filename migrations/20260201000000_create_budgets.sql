-- What each provider account has spent, and what a connection may spend.

-- An account is what a provider counts against: a team where the key can read it, otherwise the key.
-- It may belong to several connections, of several applications.
CREATE TABLE provider_accounts (
    id text PRIMARY KEY,
    -- Grows with every change of the budget, which is written only over the version it was made of.
    version bigint NOT NULL,
    -- model::Budget: records per minute, open reservations, request windows per endpoint.
    budget jsonb NOT NULL,
    -- The account that this one turned out to be: whoever still knows this name goes on there.
    moved_to text
);

-- Until its key is used again, a connection of an earlier version is an account of its own.
ALTER TABLE connections ADD COLUMN account_id text NOT NULL DEFAULT '';
UPDATE connections SET account_id = provider_name || ':connection:' || id;
-- Whether the provider was asked for the team behind the key.
ALTER TABLE connections ADD COLUMN account_known boolean NOT NULL DEFAULT false;
-- model::LimitOverrides: what this connection may read, where it differs from the configuration.
ALTER TABLE connections ADD COLUMN limits jsonb;
CREATE INDEX connections_account ON connections (account_id);

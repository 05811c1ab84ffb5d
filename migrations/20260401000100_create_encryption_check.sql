-- One sealed value that is there from the first start on: a wrong encryption key shows at the next
-- start, also as long as there is no other secret.

CREATE TABLE encryption_check (
    name text PRIMARY KEY,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL
);

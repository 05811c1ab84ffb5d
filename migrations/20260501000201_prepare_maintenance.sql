-- What maintenance looks for is found without reading what stays.

-- The runs that hold deletions stay as long as they do.
CREATE INDEX missing_records_held ON missing_records (held_since) WHERE held_since IS NOT NULL;

-- Since when no connection draws from the account, as far as maintenance has looked.
ALTER TABLE provider_accounts ADD COLUMN unused_since timestamptz;

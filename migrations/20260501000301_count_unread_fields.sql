-- The names of fields that could not be read, and in how many records: {"title": 2, "phone_numbers[]": 1}.
ALTER TABLE sync_runs ADD COLUMN fields_unread jsonb NOT NULL DEFAULT '{}';

-- When the request of the newest write through the unified API left, beside when it was recorded
-- (written_at): writes are ordered by when they were made, whatever time the provider's servers tell.
ALTER TABLE engagement_users ADD COLUMN write_asked_at timestamptz;
ALTER TABLE engagement_mailboxes ADD COLUMN write_asked_at timestamptz;
ALTER TABLE engagement_sequences ADD COLUMN write_asked_at timestamptz;
ALTER TABLE engagement_accounts ADD COLUMN write_asked_at timestamptz;
ALTER TABLE engagement_contacts ADD COLUMN write_asked_at timestamptz;
ALTER TABLE engagement_sequence_states ADD COLUMN write_asked_at timestamptz;

-- first_seen_by is the run that inserted the row; written_at is when it was last written through the
-- unified API, which a page that was asked for before must not undo.

ALTER TABLE engagement_users ADD COLUMN first_seen_by text;
ALTER TABLE engagement_users ADD COLUMN written_at timestamptz;
ALTER TABLE engagement_mailboxes ADD COLUMN first_seen_by text;
ALTER TABLE engagement_mailboxes ADD COLUMN written_at timestamptz;
ALTER TABLE engagement_sequences ADD COLUMN first_seen_by text;
ALTER TABLE engagement_sequences ADD COLUMN written_at timestamptz;
ALTER TABLE engagement_accounts ADD COLUMN first_seen_by text;
ALTER TABLE engagement_accounts ADD COLUMN written_at timestamptz;
ALTER TABLE engagement_contacts ADD COLUMN first_seen_by text;
ALTER TABLE engagement_contacts ADD COLUMN written_at timestamptz;
ALTER TABLE engagement_sequence_states ADD COLUMN first_seen_by text;
ALTER TABLE engagement_sequence_states ADD COLUMN written_at timestamptz;

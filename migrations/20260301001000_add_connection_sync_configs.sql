-- model::ConnectionSyncConfig: what a connection sets beside its provider's sync config.

ALTER TABLE connections ADD COLUMN connection_sync_config jsonb;

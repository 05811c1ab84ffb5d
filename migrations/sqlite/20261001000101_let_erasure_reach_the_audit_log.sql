-- When a person is erased, the words of an entry that tell of them are replaced by one fixed text. Who
-- did what, when and with what result stays as it was, and so does everything else.

DROP TRIGGER audit_log_refuses_update;

CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log
WHEN NOT (
    NEW.message = '[erased]'
    AND NEW.provider_request IS
        CASE WHEN OLD.provider_request IS NOT NULL THEN '[erased]' END
    AND NEW.id = OLD.id AND NEW.application_id = OLD.application_id AND NEW.at = OLD.at
    AND NEW.actor = OLD.actor AND NEW.key_id IS OLD.key_id AND NEW.key_name IS OLD.key_name
    AND NEW.action = OLD.action AND NEW.method IS OLD.method AND NEW.route IS OLD.route
    AND NEW.customer_id IS OLD.customer_id AND NEW.connection_id IS OLD.connection_id
    AND NEW.provider_name IS OLD.provider_name AND NEW.result = OLD.result
    AND NEW.status IS OLD.status AND NEW.request_id IS OLD.request_id
)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

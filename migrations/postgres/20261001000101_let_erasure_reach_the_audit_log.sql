-- When a person is erased, the words of an entry that tell of them are replaced by one fixed text. Who
-- did what, when and with what result stays as it was, and so does everything else.

CREATE FUNCTION audit_log_refuses_change() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF NEW.message = '[erased]'
        AND NEW.provider_request IS NOT DISTINCT FROM
            (CASE WHEN OLD.provider_request IS NOT NULL THEN '[erased]' END)
        AND to_jsonb(NEW) - 'message' - 'provider_request'
            = to_jsonb(OLD) - 'message' - 'provider_request'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_log is append-only';
END
$$;

DROP TRIGGER audit_log_refuses_update ON audit_log;
CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuses_change();

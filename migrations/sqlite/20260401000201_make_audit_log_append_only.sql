-- Rows are never changed, and go only when their time is over, which is a day at least.

CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

CREATE TRIGGER audit_log_refuses_delete BEFORE DELETE ON audit_log
WHEN datetime(OLD.at) > datetime('now', '-1 day')
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

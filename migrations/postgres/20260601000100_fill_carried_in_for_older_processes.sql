-- During a rolling upgrade, processes of the version before insert syncs and runs without
-- carried_in. They know Apollo only, whose contacts carry the sequence states. An embedded database
-- has no process of another version beside it.
CREATE FUNCTION fill_carried_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM connections
               WHERE id = NEW.connection_id AND provider_name = 'apollo') THEN
        NEW.carried_in := 'contact';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER syncs_fill_carried_in BEFORE INSERT ON syncs FOR EACH ROW
    WHEN (NEW.object = 'sequence_state' AND NEW.carried_in IS NULL)
    EXECUTE FUNCTION fill_carried_in();
CREATE TRIGGER sync_runs_fill_carried_in BEFORE INSERT ON sync_runs FOR EACH ROW
    WHEN (NEW.object = 'sequence_state' AND NEW.carried_in IS NULL)
    EXECUTE FUNCTION fill_carried_in();

-- Those that were inserted between the two migrations.
UPDATE syncs SET carried_in = 'contact' WHERE object = 'sequence_state' AND carried_in IS NULL;
UPDATE sync_runs SET carried_in = 'contact'
    WHERE object = 'sequence_state' AND carried_in IS NULL
      AND state IN ('queued', 'running', 'waiting');

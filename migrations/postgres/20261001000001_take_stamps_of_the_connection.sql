-- A feed's row is written with nearly every page: room in its page keeps such updates off the index.
ALTER TABLE change_feeds SET (fillfactor = 50);

-- During a rolling upgrade, processes of the version before take stamps from syncs. They get the
-- connection's, so that all stamps are in one order.
CREATE FUNCTION take_stamp_of_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change_feeds AS feed (connection_id, epoch, last_stamp_ms, previous_stamp_ms)
    VALUES (NEW.connection_id, '1', NEW.last_stamp_ms, 0)
    ON CONFLICT (connection_id) DO UPDATE
    SET previous_stamp_ms = feed.last_stamp_ms,
        last_stamp_ms = GREATEST(feed.last_stamp_ms + 1, excluded.last_stamp_ms)
    RETURNING last_stamp_ms INTO NEW.last_stamp_ms;
    RETURN NEW;
END
$$;

CREATE TRIGGER syncs_take_stamp_of_connection BEFORE UPDATE OF last_stamp_ms ON syncs FOR EACH ROW
    WHEN (NEW.last_stamp_ms <> OLD.last_stamp_ms)
    EXECUTE FUNCTION take_stamp_of_connection();

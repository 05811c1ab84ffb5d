-- The object whose records carry this one's, where the provider has no list of its own for it: one
-- scan of that object's pages then serves both. Null where the object has pages of its own.
ALTER TABLE syncs ADD COLUMN carried_in text;
UPDATE syncs SET carried_in = 'contact' WHERE object = 'sequence_state';

-- Of finished runs only those that something may still be done with.
ALTER TABLE sync_runs ADD COLUMN carried_in text;
UPDATE sync_runs SET carried_in = 'contact'
    WHERE object = 'sequence_state'
      AND (state IN ('queued', 'running', 'waiting') OR resumable OR deletes_held > 0);

-- An application's syncs in the order in which they are listed.
CREATE INDEX syncs_application ON syncs (application_id, id);

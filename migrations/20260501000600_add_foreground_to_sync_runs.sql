-- Runs that a command in the foreground (`syncline sync`) reads itself. Workers leave them alone as
-- long as it is there.
ALTER TABLE sync_runs ADD COLUMN foreground boolean NOT NULL DEFAULT false;

-- A page's update of its run then stays on the run's own disk page and touches no index.

ALTER TABLE sync_runs SET (fillfactor = 70);

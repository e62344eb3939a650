-- The ends of tasks by time, for the counts of /stats.
CREATE INDEX events_finished ON events (at, task_id, status_after) WHERE kind = 'finished';

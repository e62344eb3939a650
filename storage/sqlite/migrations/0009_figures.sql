-- What /metrics and /stats count is read from indexes alone, as a row of a table is hundreds of bytes long. Their
-- conditions keep all other statements from using them.
CREATE INDEX tasks_final ON tasks (status) WHERE status NOT IN ('unknown', 'queued', 'running');
CREATE INDEX tasks_unfinished ON tasks (status) WHERE status IN ('unknown', 'queued', 'running');
CREATE INDEX watches_inactive ON watches (state) WHERE state <> 'active';
CREATE INDEX deliveries_settled ON deliveries (state) WHERE state NOT IN ('pending', 'sending');

-- The lookups that count towards the limits of watches.
CREATE INDEX lookups_open ON lookups (chat_id) WHERE state IN ('polling', 'asking');

-- The open lookups of a chat, which count towards its limit of watches when another one is added.
CREATE INDEX lookups_open ON lookups (chat_id) WHERE state IN ('polling', 'asking');

-- The ids of a message whose provider is not known: each candidate task is polled once. One row per message.
CREATE TABLE lookups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a button under an old message must not name a newer row
    chat_id INTEGER NOT NULL,
    thread_id INTEGER,
    message_id INTEGER, -- the message with the ids; NULL: the chat was migrated
    user_id INTEGER,
    language TEXT NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'polling', -- a LookupState
    providers TEXT NOT NULL DEFAULT '[]', -- the names to choose from, JSON; a button names one by its index
    answer TEXT, -- the provider that was chosen
    question_message_id INTEGER
) STRICT;

CREATE UNIQUE INDEX lookups_one_per_message ON lookups (chat_id, message_id);
CREATE INDEX lookups_created_at ON lookups (created_at);

CREATE TABLE lookup_candidates (
    lookup_id INTEGER NOT NULL REFERENCES lookups ON DELETE CASCADE,
    task_id INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
    knows INTEGER, -- whether the provider knows the task; NULL: not polled yet
    PRIMARY KEY (lookup_id, task_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX lookup_candidates_of_task ON lookup_candidates (task_id);

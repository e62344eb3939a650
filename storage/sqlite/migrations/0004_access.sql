-- The chats and users that asked for access while the bot ran, and what an admin decided. An allowed one has a row in
-- allowed_chats as well.
CREATE TABLE access_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a button under an old message must not name a newer row
    chat_id INTEGER NOT NULL UNIQUE,
    chat_type TEXT NOT NULL,
    title TEXT NOT NULL,
    user_name TEXT,
    language TEXT NOT NULL,
    state TEXT NOT NULL, -- an AccessState
    asked_at REAL NOT NULL,
    decided_at REAL,
    admin_id INTEGER, -- who decided
    admin_name TEXT
) STRICT;

CREATE INDEX access_requests_asked_at ON access_requests (asked_at);

-- The admins besides those of the settings.
CREATE TABLE admins (
    user_id INTEGER PRIMARY KEY,
    added_at REAL NOT NULL
) STRICT;

-- What a chat has chosen in /settings; a chat without a row has the defaults.
CREATE TABLE chat_settings (
    chat_id INTEGER PRIMARY KEY,
    language TEXT, -- NULL: that of whoever asks
    sound TEXT NOT NULL,
    result_form TEXT NOT NULL,
    pins_batch_card INTEGER NOT NULL
) STRICT;

-- The video as stored by Telegram as a document, JSON; tasks.file is the one that can be played, if there is one.
ALTER TABLE tasks ADD COLUMN document TEXT;

-- The first name of who asked, as Telegram sent it.
ALTER TABLE watches ADD COLUMN user_name TEXT;
ALTER TABLE lookups ADD COLUMN user_name TEXT;

-- The message that it replies to; NULL: the request of its watch.
ALTER TABLE deliveries ADD COLUMN reply_to INTEGER;

-- The callback query of the button that requested it; NULL: none.
ALTER TABLE deliveries ADD COLUMN press TEXT;

CREATE INDEX watches_ended ON watches (chat_id, ended_at) WHERE is_over;

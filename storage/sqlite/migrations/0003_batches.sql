-- The watches that one message started share one card instead of having one each.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id INTEGER NOT NULL,
    thread_id INTEGER,
    request_message_id INTEGER,
    user_id INTEGER,
    language TEXT NOT NULL,
    created_at REAL NOT NULL,
    card_message_id INTEGER,
    card_digest TEXT,
    card_sent_at REAL,
    -- When the card may be edited again: after a part of the batch's age, as a group allows 20 calls a minute and the
    -- results need two each. In a group, there are 13 edits in 10 minutes and 19 in an hour.
    next_edit_at REAL AS (
        card_sent_at + max(5.0, (card_sent_at - created_at) / iif(chat_id < 0, 3.0, 10.0))
    ) VIRTUAL
) STRICT;

CREATE INDEX batches_of_chat ON batches (chat_id);

ALTER TABLE watches ADD COLUMN batch_id INTEGER REFERENCES batches ON DELETE SET NULL; -- NULL: it has a card of its own
CREATE INDEX watches_of_batch ON watches (batch_id) WHERE batch_id IS NOT NULL;

-- Of a BATCH, whose subject is the batch's id as well.
ALTER TABLE deliveries ADD COLUMN batch_id INTEGER REFERENCES batches ON DELETE CASCADE;
CREATE INDEX deliveries_of_batch ON deliveries (batch_id) WHERE batch_id IS NOT NULL;

-- As before, without the watches of batches.
DROP VIEW cards;
CREATE VIEW cards AS
SELECT
    w.id AS watch_id,
    w.chat_id,
    w.thread_id,
    w.card_message_id IS NOT NULL AS is_sent,
    (t.is_final OR w.is_over) AS is_final,
    (
        w.card_message_id IS NULL
        AND t.is_final
        AND (NOT w.is_over OR w.result IS 'sent')
        AND NOT EXISTS (
            SELECT 1 FROM deliveries AS s WHERE s.watch_id = w.id AND s.kind = 'card' AND s.state = 'sending'
        )
    ) AS is_needless,
    (t.status = 'unknown' AND t.last_poll_at IS NULL) AS is_unpolled
FROM watches AS w
JOIN tasks AS t ON t.id = w.task_id
WHERE w.batch_id IS NULL;

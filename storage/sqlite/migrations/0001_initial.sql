-- Times are unix seconds, UTC. Ids are never used twice: a button under an old message must not refer to a newer row.
PRAGMA application_id = 0x5265656C;

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    external_id TEXT NOT NULL,
    status TEXT NOT NULL,
    registered_at REAL NOT NULL,
    snapshot TEXT,
    snapshot_at REAL,
    poll_failure TEXT,
    last_poll_at REAL,
    next_poll_at REAL,
    lease_until REAL,
    lease_owner TEXT,
    poll_requested INTEGER NOT NULL DEFAULT 0, -- a user requested a poll, or changed next_poll_at while it was leased, and the worker has not read it yet
    failures INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,
    stall TEXT NOT NULL DEFAULT 'moving', -- how long it has not changed, in steps that were acted on
    unchanged_since REAL, -- when the task last changed or its polling was resumed; NULL: when it was registered
    file TEXT, -- the video as stored by Telegram, JSON
    is_final INTEGER AS (status NOT IN ('unknown', 'queued', 'running')) VIRTUAL, -- TaskStatus.is_final
    claimable_at REAL AS (max(next_poll_at, coalesce(lease_until, next_poll_at))) VIRTUAL,
    UNIQUE (provider, external_id)
) STRICT;

CREATE INDEX tasks_claimable ON tasks (provider, claimable_at) WHERE claimable_at IS NOT NULL;
CREATE INDEX tasks_resting ON tasks (stall) WHERE stall = 'resting';
CREATE INDEX tasks_poll_requested ON tasks (lease_owner) WHERE poll_requested;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
    kind TEXT NOT NULL,
    status_before TEXT NOT NULL,
    status_after TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

CREATE INDEX events_of_task ON events (task_id);

CREATE TABLE watches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
    chat_id INTEGER NOT NULL,
    thread_id INTEGER,
    request_message_id INTEGER,
    user_id INTEGER,
    language TEXT NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'active',
    card_message_id INTEGER,
    card_digest TEXT,
    card_sent_at REAL,
    ended_at REAL, -- when it ended or was suspended
    result TEXT, -- the DeliveryState in which the delivery of its result ended
    reported_status TEXT, -- the final status that was reported to the chat; NULL: none, or its delivery was given up
    is_over INTEGER AS (state IN ('finished', 'stopped')) VIRTUAL -- WatchState.is_over
) STRICT;

CREATE UNIQUE INDEX watches_one_per_topic ON watches (task_id, chat_id, coalesce(thread_id, 0));
CREATE INDEX watches_of_chat ON watches (chat_id, state);
CREATE INDEX watches_card_age ON watches (chat_id, card_sent_at) WHERE state = 'active';

-- A delivery is addressed to a chat and topic. Its subject is what it is about: for a RESULT and a CARD the watch's id,
-- for a NOTICE provider and cause, for a REPORT the gateway.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id INTEGER NOT NULL,
    thread_id INTEGER,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    watch_id INTEGER REFERENCES watches ON DELETE CASCADE, -- whose task it shows; NULL: none
    content TEXT, -- of a REPORT, JSON; other kinds are rendered from the task when they are sent
    state TEXT NOT NULL DEFAULT 'pending',
    priority INTEGER NOT NULL, -- a DeliveryPriority
    blocks_repeat INTEGER NOT NULL DEFAULT 0, -- no other of the same kind, subject and address may be enqueued, though this one was sent
    created_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    message_id INTEGER,
    unconfirmed_call_at REAL,
    lease_until REAL,
    lease_owner TEXT,
    settled_at REAL,
    is_unsent INTEGER AS (state IN ('pending', 'sending')) VIRTUAL, -- DeliveryState.is_unsent
    ready_at REAL AS (
        CASE state WHEN 'pending' THEN coalesce(not_before, created_at) WHEN 'sending' THEN lease_until END
    ) VIRTUAL
) STRICT;

CREATE INDEX deliveries_of_watch ON deliveries (watch_id, kind);
CREATE INDEX deliveries_in_turn ON deliveries (priority, created_at, id) WHERE is_unsent;
CREATE INDEX deliveries_ready ON deliveries (ready_at) WHERE is_unsent;
-- A statement that names both states as `state = 'pending' OR state = 'sending'` uses both indexes.
CREATE UNIQUE INDEX deliveries_one_pending ON deliveries (chat_id, kind, subject, coalesce(thread_id, 0))
WHERE state = 'pending';
CREATE UNIQUE INDEX deliveries_one_sending ON deliveries (chat_id, kind, subject, coalesce(thread_id, 0))
WHERE state = 'sending';
CREATE UNIQUE INDEX deliveries_no_repeat ON deliveries (kind, subject, chat_id, coalesce(thread_id, 0))
WHERE blocks_repeat;

CREATE TABLE chats (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    language TEXT,
    disabled_reason TEXT,
    throttled_until REAL, -- Telegram throttles the chat until then
    written_at REAL NOT NULL
) STRICT;

-- The chats and users that may use the bot; a user's id is that of their private chat.
CREATE TABLE allowed_chats (
    chat_id INTEGER PRIMARY KEY,
    via INTEGER UNIQUE, -- the id in the settings that allows it, for a migrated group the old one; NULL: allowed by a person
    allowed_at REAL NOT NULL
) STRICT;

-- The estimates of task durations, an opaque text; one row.
CREATE TABLE estimates (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    data TEXT NOT NULL
) STRICT;

-- Deliveries that a worker may claim at ready_at: not for a lost chat, one at a time per address, kind and subject, and
-- no result of a task that is waiting for its confirming poll.
CREATE VIEW claimable_deliveries AS
SELECT
    d.id,
    d.chat_id,
    d.priority,
    d.created_at,
    d.ready_at
FROM deliveries AS d
WHERE d.is_unsent
    AND NOT EXISTS (SELECT 1 FROM chats AS c WHERE c.id = d.chat_id AND c.disabled_reason IS NOT NULL)
    AND NOT (
        d.kind = 'result' AND EXISTS (
            SELECT 1 FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
            WHERE w.id = d.watch_id AND NOT t.is_final
        )
    )
    AND (
        d.state = 'sending'
        OR NOT EXISTS (
            SELECT 1 FROM deliveries AS s
            WHERE s.chat_id = d.chat_id AND s.kind = d.kind AND s.subject = d.subject
                AND coalesce(s.thread_id, 0) = coalesce(d.thread_id, 0) AND s.state = 'sending'
        )
    );

-- The properties of a watch's card: whether it shows its last state, and whether it is needed at all. A task that
-- has ended gets no card if none was sent before: its result contains all of it.
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
JOIN tasks AS t ON t.id = w.task_id;

"""The access_requests and admins tables: who asked to use the bot, what was decided, and who decides."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from storage.access import (
    AccessDecision,
    AccessEntry,
    AccessQuestion,
    AccessState,
    Admin,
    ChatProfile,
    Greeting,
    RequestOutcome,
)
from storage.sql import access_deliveries
from storage.sql.transaction import Row, Transaction

_PERIOD = timedelta(hours=1)  # between two requests of a chat
_REQUESTS_PER_PERIOD = 20  # of all chats


async def ask(
    tx: Transaction, chat: ChatProfile, admins: Mapping[int, str], *, at: datetime
) -> RequestOutcome:
    """Enqueue a question to each admin, given with their language, unless one is too soon or refused."""
    since = at - _PERIOD
    known = await tx.one(
        "SELECT state, asked_at > :since AS is_recent FROM access_requests WHERE chat_id = :chat_id",
        {"chat_id": chat.chat_id, "since": since},
    )
    if known is not None and known["state"] == AccessState.REFUSED:
        return RequestOutcome.REFUSED
    if known is not None and known["is_recent"]:
        is_open = known["state"] == AccessState.REQUESTED
        return RequestOutcome.WAITING if is_open else RequestOutcome.LIMITED
    recent = await tx.all("SELECT id FROM access_requests WHERE asked_at > $1", (since,))
    if not admins or len(recent) >= _REQUESTS_PER_PERIOD:
        return RequestOutcome.LIMITED
    request = await tx.all(
        """
        INSERT INTO access_requests (chat_id, chat_type, title, user_name, language, state, asked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (chat_id) DO UPDATE SET chat_type = excluded.chat_type, title = excluded.title,
            user_name = excluded.user_name, language = excluded.language, state = excluded.state,
            asked_at = excluded.asked_at, decided_at = NULL, admin_id = NULL, admin_name = NULL
        RETURNING id
        """,
        (
            chat.chat_id,
            chat.chat_type,
            chat.title,
            chat.user_name,
            chat.language,
            AccessState.REQUESTED,
            at,
        ),
    )
    for admin_id, language in admins.items():
        question = AccessQuestion(request_id=request[0]["id"], chat=chat, language=language)
        await access_deliveries.enqueue_question(tx, admin_id, question, at=at)
    return RequestOutcome.ASKED


async def decide(
    tx: Transaction, request_id: int, admin: Admin, *, is_allowed: bool, at: datetime
) -> AccessDecision | None:
    """Decide an open request; one that is decided is returned as it is. None: there is no such request."""
    row = await tx.one("SELECT * FROM access_requests WHERE id = $1", (request_id,))
    if row is None or row["state"] != AccessState.REQUESTED:
        return None if row is None else _decision(row, is_new=False)
    return await _set_state(
        tx, row["chat_id"], AccessState.ALLOWED if is_allowed else AccessState.REFUSED, admin, at=at
    )


async def allow(tx: Transaction, chat_id: int, admin: Admin, *, at: datetime) -> AccessDecision | None:
    """Allow a chat that asked or was refused; None for any other."""
    row = await tx.one(
        "SELECT 1 FROM access_requests WHERE chat_id = $1 AND state IN ($2, $3)",
        (chat_id, AccessState.REQUESTED, AccessState.REFUSED),
    )
    return None if row is None else await _set_state(tx, chat_id, AccessState.ALLOWED, admin, at=at)


async def remove(tx: Transaction, chat_id: int, admin: Admin, *, at: datetime) -> bool:
    """Take the access from a chat that an admin allowed; False for any other."""
    removed = await tx.all(
        "DELETE FROM allowed_chats WHERE chat_id = $1 AND via IS NULL RETURNING chat_id", (chat_id,)
    )
    if removed:
        await _set_state(tx, chat_id, AccessState.REMOVED, admin, at=at)
    return bool(removed)


async def entries(tx: Transaction, *, offset: int, limit: int) -> tuple[list[AccessEntry], int]:
    """Some of the chats that are allowed, waiting or refused, in this order; and the number of all."""
    found = await tx.all(
        """
        WITH entries AS (
            SELECT a.chat_id, coalesce(nullif(c.title, ''), r.title, '') AS title,
                coalesce(r.chat_type, '') AS chat_type, :allowed AS state,
                a.via IS NOT NULL AS is_in_settings, a.allowed_at AS since, 0 AS rank
            FROM allowed_chats AS a
            LEFT JOIN access_requests AS r ON r.chat_id = a.chat_id
            LEFT JOIN chats AS c ON c.id = a.chat_id
            UNION ALL
            SELECT chat_id, title, chat_type, state, false, coalesce(decided_at, asked_at),
                CASE state WHEN :requested THEN 1 ELSE 2 END
            FROM access_requests
            WHERE state IN (:requested, :refused)
                AND chat_id NOT IN (SELECT chat_id FROM allowed_chats)
        )
        SELECT *, count(*) OVER () AS total FROM entries ORDER BY rank, since DESC, chat_id
        LIMIT :limit OFFSET :offset
        """,
        {
            "allowed": AccessState.ALLOWED,
            "requested": AccessState.REQUESTED,
            "refused": AccessState.REFUSED,
            "limit": limit,
            "offset": offset,
        },
    )
    listed = [
        AccessEntry(
            chat_id=row["chat_id"],
            title=row["title"],
            chat_type=row["chat_type"],
            state=AccessState(row["state"]),
            is_in_settings=bool(row["is_in_settings"]),
        )
        for row in found
    ]
    return listed, found[0]["total"] if found else 0


async def refused(tx: Transaction) -> frozenset[int]:
    """The refused chats that the settings do not allow."""
    found = await tx.all(
        """
        SELECT chat_id FROM access_requests
        WHERE state = $1 AND chat_id NOT IN (SELECT chat_id FROM allowed_chats)
        """,
        (AccessState.REFUSED,),
    )
    return frozenset(row["chat_id"] for row in found)


async def move(tx: Transaction, old_id: int, new_id: int) -> None:
    """Rewrite a group's request to its supergroup's id."""
    ids = (new_id, old_id)
    await tx.run(
        """
        DELETE FROM access_requests WHERE chat_id = $1 AND EXISTS (
            SELECT 1 FROM access_requests WHERE chat_id = $2
        )
        """,
        ids,
    )
    await tx.run("UPDATE access_requests SET chat_id = $1, chat_type = 'supergroup' WHERE chat_id = $2", ids)


async def admins(tx: Transaction) -> frozenset[int]:
    """The admins besides those of the settings."""
    return frozenset(row["user_id"] for row in await tx.all("SELECT user_id FROM admins"))


async def add_first_admin(tx: Transaction, user_id: int, *, at: datetime) -> bool:
    """Make a user an admin if nobody has access yet; False if somebody has."""
    added = await tx.all(
        """
        INSERT INTO admins (user_id, added_at) SELECT $1, $2
        WHERE NOT EXISTS (SELECT 1 FROM admins) AND NOT EXISTS (SELECT 1 FROM allowed_chats)
        RETURNING user_id
        """,
        (user_id, at),
    )
    return bool(added)


async def _set_state(
    tx: Transaction, chat_id: int, state: AccessState, admin: Admin, *, at: datetime
) -> AccessDecision | None:
    """Write a decision, and tell an allowed chat of it; None if the chat has never asked."""
    changed = await tx.all(
        """
        UPDATE access_requests SET state = $1, decided_at = $2, admin_id = $3, admin_name = $4
        WHERE chat_id = $5
        RETURNING *
        """,
        (state, at, admin.id, admin.name, chat_id),
    )
    await access_deliveries.supersede_greetings(tx, chat_id, at=at)
    if not changed:
        return None
    decision = _decision(changed[0], is_new=True)
    await access_deliveries.supersede_questions(tx, changed[0]["id"], at=at)
    if state is AccessState.ALLOWED:
        await tx.run(
            "INSERT INTO allowed_chats (chat_id, via, allowed_at) VALUES ($1, NULL, $2)"
            " ON CONFLICT DO NOTHING",
            (chat_id, at),
        )
        greeting = Greeting(is_now_allowed=True, language=decision.chat.language)
        subject = f"allowed {at}"
        await access_deliveries.enqueue_greeting(tx, chat_id, greeting, subject=subject, at=at)
    return decision


def _decision(row: Row, *, is_new: bool) -> AccessDecision:
    admin = None if row["admin_id"] is None else Admin(id=row["admin_id"], name=row["admin_name"])
    return AccessDecision(
        chat=ChatProfile(
            chat_id=row["chat_id"],
            chat_type=row["chat_type"],
            title=row["title"],
            user_name=row["user_name"],
            language=row["language"],
        ),
        state=AccessState(row["state"]),
        admin=admin,
        is_new=is_new,
    )

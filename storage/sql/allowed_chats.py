"""The allowed_chats table: the chats and users that may use the bot, besides the admins."""

from collections.abc import Iterable
from datetime import datetime

from storage.sql.transaction import Transaction


async def sync(tx: Transaction, named: Iterable[int], *, at: datetime) -> frozenset[int]:
    """Replace the rows that come from the settings by the ids named there; return all allowed ids.

    A row that was rewritten to a supergroup's id is kept as long as the settings name the group's id.
    """
    listed = list(named)
    await tx.run(
        "DELETE FROM allowed_chats WHERE via IS NOT NULL AND via <> ALL($1)",
        (listed,),
    )
    known = {row["via"] for row in await tx.all("SELECT via FROM allowed_chats WHERE via IS NOT NULL")}
    for chat_id in listed:
        if chat_id not in known:
            await tx.run(
                """
                INSERT INTO allowed_chats (chat_id, via, allowed_at) VALUES ($1, $2, $3)
                ON CONFLICT DO NOTHING
                """,
                (chat_id, chat_id, at),
            )
    return await ids(tx)


async def ids(tx: Transaction) -> frozenset[int]:
    """All allowed ids."""
    return frozenset(row["chat_id"] for row in await tx.all("SELECT chat_id FROM allowed_chats"))


async def move(tx: Transaction, old_id: int, new_id: int) -> None:
    """Rewrite a group's row to its supergroup's id; a row made by a person takes precedence."""
    both = {"old": old_id, "new": new_id}
    await tx.run(
        """
        DELETE FROM allowed_chats WHERE chat_id = :old AND EXISTS (
            SELECT 1 FROM allowed_chats WHERE chat_id = :new AND via IS NULL
        )
        """,
        both,
    )
    await tx.run(
        """
        DELETE FROM allowed_chats WHERE chat_id = :new AND EXISTS (
            SELECT 1 FROM allowed_chats WHERE chat_id = :old
        )
        """,
        both,
    )
    await tx.run("UPDATE allowed_chats SET chat_id = :new WHERE chat_id = :old", both)

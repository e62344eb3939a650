"""The allowed_chats table: who may use the bot beside its admins."""

from collections.abc import Iterable
from datetime import datetime

from storage.sqlite import rows
from storage.sqlite.connection import Transaction


async def sync(tx: Transaction, ids: Iterable[int], *, at: datetime) -> frozenset[int]:
    """Make the rows that come from settings those of these ids; all that are let in.

    A row that has moved to a supergroup's id stays there as long as the id that it came from is set.
    """
    listed = rows.listed(ids)
    await tx.run(
        "DELETE FROM allowed_chats WHERE via IS NOT NULL AND via NOT IN (SELECT value FROM json_each(?))",
        (listed,),
    )
    await tx.run(
        """
        INSERT INTO allowed_chats (chat_id, via, allowed_at)
        SELECT value, value, :at FROM json_each(:ids)
        WHERE value NOT IN (SELECT via FROM allowed_chats WHERE via IS NOT NULL)
        ON CONFLICT DO NOTHING
        """,
        {"ids": listed, "at": rows.seconds(at)},
    )
    return frozenset(row["chat_id"] for row in await tx.all("SELECT chat_id FROM allowed_chats"))


async def move(tx: Transaction, old_id: int, new_id: int) -> None:
    """Let in a supergroup in place of the group that it was; what a person decided goes before settings."""
    ids = {"old": old_id, "new": new_id}
    await tx.run(
        """
        DELETE FROM allowed_chats WHERE chat_id = :old AND EXISTS (
            SELECT 1 FROM allowed_chats WHERE chat_id = :new AND via IS NULL
        )
        """,
        ids,
    )
    await tx.run("UPDATE OR REPLACE allowed_chats SET chat_id = :new WHERE chat_id = :old", ids)

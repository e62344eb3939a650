"""The chat_settings table: what chats have chosen in /settings."""

from collections.abc import Iterable

from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from storage.sqlite import rows
from storage.sqlite.connection import Transaction


async def of_chats(tx: Transaction, chat_ids: Iterable[int]) -> dict[int, ChatSettings]:
    """The settings by chat; the defaults for a chat without a row."""
    ids = set(chat_ids)
    found = await tx.all(
        "SELECT * FROM chat_settings WHERE chat_id IN (SELECT value FROM json_each(?))", (rows.listed(ids),)
    )
    return dict.fromkeys(ids, DEFAULT_SETTINGS) | {
        row["chat_id"]: ChatSettings(
            language=row["language"],
            sound=Sound(row["sound"]),
            result_form=ResultForm(row["result_form"]),
            pins_batch_card=bool(row["pins_batch_card"]),
        )
        for row in found
    }


async def save(tx: Transaction, chat_id: int, settings: ChatSettings) -> None:
    """Replace a chat's settings; the defaults take no row."""
    if settings == DEFAULT_SETTINGS:
        await tx.run("DELETE FROM chat_settings WHERE chat_id = ?", (chat_id,))
        return
    await tx.run(
        """
        INSERT OR REPLACE INTO chat_settings (chat_id, language, sound, result_form, pins_batch_card)
        VALUES (?, ?, ?, ?, ?)
        """,
        (chat_id, settings.language, settings.sound, settings.result_form, settings.pins_batch_card),
    )


async def move(tx: Transaction, old_id: int, new_id: int) -> None:
    """Rewrite a group's row to its supergroup's id; a row of the supergroup takes precedence."""
    await tx.run("UPDATE OR IGNORE chat_settings SET chat_id = ? WHERE chat_id = ?", (new_id, old_id))
    await tx.run("DELETE FROM chat_settings WHERE chat_id = ?", (old_id,))

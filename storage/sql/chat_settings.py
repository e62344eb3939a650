"""The chat_settings table: what chats have chosen in /settings."""

from collections.abc import Iterable

from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from storage.sql.transaction import Transaction


async def of_chats(tx: Transaction, chat_ids: Iterable[int]) -> dict[int, ChatSettings]:
    """The settings by chat; the defaults for a chat without a row."""
    ids = set(chat_ids)
    if not ids:
        return {}
    found = await tx.all("SELECT * FROM chat_settings WHERE chat_id = ANY($1)", (list(ids),))
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
        await tx.run("DELETE FROM chat_settings WHERE chat_id = $1", (chat_id,))
        return
    await tx.run(
        """
        INSERT INTO chat_settings (chat_id, language, sound, result_form, pins_batch_card)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (chat_id) DO UPDATE SET language = excluded.language, sound = excluded.sound,
            result_form = excluded.result_form, pins_batch_card = excluded.pins_batch_card
        """,
        (chat_id, settings.language, settings.sound, settings.result_form, settings.pins_batch_card),
    )


async def move(tx: Transaction, old_id: int, new_id: int) -> None:
    """Rewrite a group's row to its supergroup's id; a row of the supergroup takes precedence."""
    await tx.run(
        """
        UPDATE chat_settings SET chat_id = :new
        WHERE chat_id = :old AND NOT EXISTS (SELECT 1 FROM chat_settings WHERE chat_id = :new)
        """,
        {"old": old_id, "new": new_id},
    )
    await tx.run("DELETE FROM chat_settings WHERE chat_id = $1", (old_id,))

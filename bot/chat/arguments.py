"""What the commands share: valid ids among the arguments, and several notes in one reply."""

from collections.abc import Sequence

from bot.chat.context import IDS_OF_A_MESSAGE, Context
from bot.chat.parsing import TypedCommand
from bot.messages.view import View
from bot.messages.views import replies
from bot.providers.parsing.ids import valid_id


def valid_ids(context: Context, words: Sequence[str], language: str) -> tuple[list[str], list[View]]:
    """The words that are valid ids, up to IDS_OF_A_MESSAGE; and notes about the others."""
    notes = []
    valid, is_cut = context.take_ids([word for word in words if valid_id(word)])
    if bad := [word for word in words if not valid_id(word)]:
        notes.append(replies.bad_ids(bad, language=language))
    if is_cut:
        notes.append(replies.first_ids_only(IDS_OF_A_MESSAGE, language=language))
    return valid, notes


def reply_together(context: Context, parts: Sequence[View]) -> None:
    """Send the parts as one message, if there are any."""
    if parts:
        context.reply(replies.summary(parts))


def left_out(typed: TypedCommand, language: str) -> list[View]:
    """A note about the paragraphs of a command that were ignored, if there are any."""
    return [replies.left_out(typed.left_out, language=language)] if typed.left_out else []

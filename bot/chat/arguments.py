"""What the commands share: valid ids among the arguments, and several notes in one reply."""

from collections.abc import Sequence

from bot.chat.context import IDS_OF_A_MESSAGE, Context
from bot.chat.parsing import TypedCommand
from bot.messages.view import View
from bot.messages.views import replies
from bot.providers.parsing.ids import valid_id
from bot.providers.parsing.pasted_keys import cut_keys


def valid_ids(context: Context, words: Sequence[str], language: str) -> tuple[list[str], list[View]]:
    """The words that are valid ids, up to IDS_OF_A_MESSAGE; and notes about the others.

    An API key is neither taken for an id nor repeated: one note advises to change it.
    """
    notes = []
    if any(cut_keys(word)[1] for word in words):
        notes.append(replies.sentence("watch.has_key", language=language))
        words = [word for word in words if not cut_keys(word)[1]]
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
    shown = [cut_keys(paragraph)[0] for paragraph in typed.left_out]
    return [replies.left_out(shown, language=language)] if shown else []

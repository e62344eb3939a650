"""What a message holds besides commands: the ids in a pasted text, and the words around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import Message
from telegram.constants import ChatType

from bot.chat.parsing import plain_text
from bot.providers.parsing.find_ids import FoundIds, IdFormat, find_ids

_WORD = re.compile(r"(?<![A-Za-z0-9_./-])[A-Za-z0-9_-]{2,64}(?![A-Za-z0-9_/-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paste:
    """A text that may hold ids."""

    found: FoundIds
    words: frozenset[str]  # lower-case; one may be a provider's name

    @property
    def has_ids(self) -> bool:
        """Whether it holds ids, or parts of some."""
        return bool(self.found.ids or self.found.cut_off)


def read_paste(text: str, formats: Sequence[IdFormat]) -> Paste:
    """Find the ids in a text as people write it."""
    plain = plain_text(text)
    return Paste(
        found=find_ids(plain, formats), words=frozenset(word.lower() for word in _WORD.findall(plain))
    )


def links(message: Message) -> str:
    """The addresses behind the words of a message."""
    entities = message.entities or message.caption_entities
    return "\n".join(entity.url for entity in entities if entity.url)


def text_with_links(message: Message) -> str:
    """The text or caption of a message, and the addresses behind its words."""
    return f"{message.text or message.caption or ''}\n{links(message)}"


def paste_without_command(message: Message, bot_name: str, formats: Sequence[IdFormat]) -> Paste | None:
    """The paste of a private message, or of one that names the bot; None for any other message.

    One that names the bot and holds no ids means the message that it replies to.
    """
    text, replied = text_with_links(message), message.reply_to_message
    if message.chat.type == ChatType.PRIVATE:
        return read_paste(text, formats)
    if not re.search(rf"(?<![\w@])@{re.escape(bot_name)}(?!\w)", text, re.IGNORECASE):
        return None
    paste = read_paste(text, formats)
    if paste.has_ids or not replied:
        return paste
    return read_paste(f"{text}\n{text_with_links(replied)}", formats)

"""Prints the conversations in all chats as they happen.

0:01  Anna        › #2  /watch wan a55bfe14
0:01  Anna        ‹ #3  a new message of the bot, a reply to the request  ↪ #2
0:04  Anna        ✎ #3  an edit: the first line of the message, and the new lines
0:09  Anna        ▶ #4  a playable video  ↪ #2
"""

import os
import re
import sys
import time
import unicodedata

from bot.sandbox.telegram.chats import Attachment, Message
from bot.sandbox.telegram.events import (
    BotEdited,
    BotSent,
    ButtonPressed,
    CallbackAnswered,
    Deleted,
    Event,
    UserSent,
)
from bot.sandbox.telegram.state import State

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_NAME_WIDTH = 10  # columns
_INDENT = " " * (5 + 2 + _NAME_WIDTH + 2 + 2 + 4)


class Screen:
    """Prints events to a terminal or a pipe."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._started = time.monotonic()
        self._styled = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def print_line(self, text: str = "") -> None:
        """Print a line outside of the conversation."""
        print(text, flush=True)

    def title(self, text: str) -> None:
        """Print a heading."""
        self.print_line(self._style(text, _BOLD))

    def show(self, event: Event) -> None:
        """Print an event."""
        match event:
            case UserSent(message=message):
                self._line(message, "›", self._style(self._user_text(message), _BOLD))
            case BotSent(message=message):
                self._line(message, _sign(message), self._content(message), replies=True)
            case BotEdited(message=message, before=before):
                became_file = message.attachment is not None and before.attachment is None
                text = self._content(message) if became_file else self._changed(message, before)
                self._line(message, _sign(message) if became_file else "✎", text, replies=became_file)
            case Deleted(message=message):
                self._line(message, "✕", "deleted")
            case ButtonPressed(message=message, data=data):
                self._line(message, "›", f"presses [{_label(message, data)}]")
            case CallbackAnswered(text=text) if text:
                self.print_line(f"{_INDENT}({text})")
            case _:
                pass

    def _user_text(self, message: Message) -> str:
        in_private = self._state.chats[message.chat_id].type == "private"
        sender = f"{message.sender.first_name}: " if message.sender and not in_private else ""
        return f"{sender}{message.text}{' (edited)' if message.history else ''}"

    def _content(self, message: Message) -> str:
        parts = [_attachment(message.attachment)] if message.attachment else []
        parts.append(self._marked_up(message))
        return "\n".join(part for part in [*parts, _buttons(message)] if part)

    def _changed(self, message: Message, before: Message) -> str:
        """The first line, which identifies the card, and the new lines."""
        old = before.plain_text.splitlines()
        first, *rest = self._marked_up(message).splitlines()
        return "\n".join([first, *(line for line in rest if _without_styles(line) not in old)])

    def _marked_up(self, message: Message) -> str:
        """The text with bold parts in bold, link targets written out and quotations marked."""
        marks: list[tuple[int, str]] = []
        for entity in message.entities:
            start, end = entity["offset"], entity["offset"] + entity["length"]
            if entity["type"] == "text_link":
                marks.append((end, f" <{entity['url']}>"))
            if entity["type"].endswith("blockquote"):
                marks.append((start, "│ "))
            if entity["type"] == "bold" and self._styled:
                marks += [(start, _BOLD), (end, _PLAIN)]
        units = message.plain_text.encode("utf-16-le")
        for position, mark in sorted(marks, reverse=True):
            units = units[: 2 * position] + mark.encode("utf-16-le") + units[2 * position :]
        return str(units, "utf-16-le")

    def _line(self, message: Message, sign: str, text: str, *, replies: bool = False) -> None:
        seconds = int(time.monotonic() - self._started)
        clock = self._style(f"{seconds // 60}:{seconds % 60:02}".rjust(5), _DIM)
        chat = self._state.chats[message.chat_id]
        name = _column(chat.title or (chat.user.first_name if chat.user else ""))
        number = self._style(f"#{message.message_id} ".ljust(4), _DIM)
        first, *rest = text.splitlines() or [""]
        if replies and message.reply_to is not None:
            first += self._style(f"  ↪ #{message.reply_to}", _DIM)
        following = [f"{_INDENT}{line}" if line else "" for line in rest]
        self.print_line("\n".join([f"{clock}  {name}  {sign} {number}{first}", *following]))

    def _style(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._styled else text


def _sign(message: Message) -> str:
    return "▶" if message.video else "▤" if message.document else "‹"


def _attachment(attachment: Attachment) -> str:
    size = f"{attachment.file.size / 1000:.0f} kB"
    if attachment.kind == "document":
        return f"file {attachment.file.name} · {size}"
    if attachment.kind == "photo":
        return f"photo {attachment.width}×{attachment.height} · {size}"
    return f"video {attachment.width}×{attachment.height} · {attachment.duration_s} s · {size}"


def _buttons(message: Message) -> str:
    return " ".join(f"[{button['text']}]" for button in message.buttons)


def _label(message: Message, data: str) -> str:
    return next(str(button["text"]) for button in message.buttons if button.get("callback_data") == data)


def _without_styles(line: str) -> str:
    return re.sub(r"\x1b\[\dm", "", line)


def _column(name: str) -> str:
    """Pad to the column's width; wide characters take two columns."""
    while _width(name) > _NAME_WIDTH:
        name = name[:-1]
    return name + " " * (_NAME_WIDTH - _width(name))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

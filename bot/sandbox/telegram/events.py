"""The events of the fake Telegram, for subscribers."""

from dataclasses import dataclass

from bot.sandbox.telegram.chats import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A user sent or edited a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The bot sent a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The bot edited one of its messages."""

    message: Message
    before: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A message was deleted."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A user pressed a button."""

    message: Message
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The bot answered a callback query."""

    text: str  # "": no text shown


Event = Said | Sent | Edited | Removed | Pressed | Answered

"""What happens in the make-believe Telegram, for those who watch or wait."""

from dataclasses import dataclass

from bot.sandbox.telegram.chats import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person wrote a message or changed one."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The bot wrote a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The bot changed one of its messages."""

    message: Message
    before: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A message was deleted."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A person pressed a button."""

    message: Message
    data: str
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The bot answered the press of a button."""

    query_id: str
    text: str  # "" : only the waiting ended
    alert: bool


Event = Said | Sent | Edited | Removed | Pressed | Answered

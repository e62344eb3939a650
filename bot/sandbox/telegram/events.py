"""The events of the fake Telegram, for subscribers."""

from dataclasses import dataclass

from bot.sandbox.telegram.chats import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSent:
    """A user sent or edited a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSent:
    """The bot sent a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class BotEdited:
    """The bot edited one of its messages."""

    message: Message
    before: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A message was deleted."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed:
    """A user pressed a button."""

    message: Message
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAnswered:
    """The bot answered a callback query."""

    query_id: str
    text: str  # "": no text shown
    is_alert: bool = False  # shown until the user closes it


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionShown:
    """The bot shows for some seconds what it does, such as upload_video."""

    chat_id: int
    thread_id: int | None
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The bot pinned a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuChanged:
    """The bot set its commands for some of the chats."""


Event = (
    UserSent
    | BotSent
    | BotEdited
    | Deleted
    | ButtonPressed
    | CallbackAnswered
    | ActionShown
    | Pinned
    | MenuChanged
)

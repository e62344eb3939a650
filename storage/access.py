"""The data types of access: who asks to use the bot, and what an admin decided. No I/O."""

from dataclasses import dataclass
from enum import StrEnum


class AccessState(StrEnum):
    """What is decided about a chat that was asked about."""

    REQUESTED = "requested"  # no admin has decided yet
    ALLOWED = "allowed"
    REFUSED = "refused"  # the admins are not asked about it again
    REMOVED = "removed"  # was allowed; may ask again


class RequestOutcome(StrEnum):
    """What became of a request for access."""

    ASKED = "asked"  # a message to each admin is enqueued
    WAITING = "waiting"  # the admins were asked less than an hour ago
    REFUSED = "refused"
    LIMITED = "limited"  # the admins are not asked: too many requests of all chats, or no admins


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLists:
    """Who may use the bot, and who may not, at one moment."""

    allowed: frozenset[int]  # chats and users
    refused: frozenset[int]  # chats that an admin refused, and that the settings do not allow
    admins: frozenset[int]  # besides those of the settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatProfile:
    """A chat as the admins see it. All texts are bounded, not escaped."""

    chat_id: int
    chat_type: str  # Telegram's: private, group, supergroup, channel
    title: str  # of the chat; in a private chat the person's name
    user_name: str | None = None  # who asked or added the bot; None: unknown, or the private chat's person
    language: str  # a key of messages/locales


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The admin who decides."""

    id: int
    name: str  # bounded, not escaped


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessQuestion:
    """The question to an admin whether a chat may use the bot."""

    request_id: int
    chat: ChatProfile
    language: str  # the admin's, a key of messages/locales


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """A message to a chat that shows what to type."""

    is_now_allowed: bool  # False: the bot was added to a chat that was allowed before
    language: str  # a key of messages/locales


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDecision:
    """What is decided about a chat."""

    chat: ChatProfile
    state: AccessState
    admin: Admin | None  # who decided; None: nobody yet
    is_new: bool  # decided by this call


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """A chat in the list of who is allowed, refused or waiting."""

    chat_id: int
    title: str  # "" if unknown
    chat_type: str  # "" if unknown
    state: AccessState
    is_in_settings: bool  # named in ALLOWED_CHATS, where it can only be removed by hand

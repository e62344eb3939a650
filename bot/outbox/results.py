"""The result types of a call to Telegram, and the mapping of its errors to them.

The error texts are tdlib/telegram-bot-api's; python-telegram-bot changes their capitalisation, so substrings
are matched in lower case. BadRequest and TimedOut are NetworkErrors there: the order below matters.
"""

from dataclasses import dataclass
from enum import StrEnum

from telegram import error as tg

from bot.bot_api.request import NotBotApi, flood_wait_s, was_never_sent
from storage.models import StoredFile


@dataclass(frozen=True, slots=True)
class Sent:
    """Telegram confirmed the message."""

    message_id: int
    file: StoredFile | None = None  # the uploaded file
    is_response: bool = True  # False: there was nothing to send, and Telegram was not called
    is_document: bool = False  # a file that is not played in place


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Flood wait: no calls to this chat for so many seconds; nothing was sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Transient:
    """Nothing was sent; a retry may succeed."""

    why: str
    retry_in_s: float | None = None  # None: Telegram was unreachable; retry after the outage

    @property
    def is_unreachable(self) -> bool:
        """Whether Telegram was unreachable; such a failure does not count as an attempt."""
        return self.retry_in_s is None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The response was lost: the message may have been sent."""

    why: str


@dataclass(frozen=True, slots=True)
class ChatGone:
    """The bot can't write to the chat any more."""

    why: str
    is_certain: bool = True  # False: servers also report it for existing chats; see DoubtedChats


@dataclass(frozen=True, slots=True)
class Migrated:
    """The group became a supergroup with another id."""

    new_id: int


@dataclass(frozen=True, slots=True)
class LinkOnly:
    """A link was sent instead of the video; a user can request the video again."""

    why: str


class Refusal(StrEnum):
    """Why Telegram rejects this call; an unchanged retry fails as well."""

    NO_MESSAGE = "no_message"  # the message to edit is gone
    NOT_EDITABLE = "not_editable"  # the message exists but can't be edited any more
    NO_METHOD = "no_method"  # the Bot API server does not know the method
    NO_TEXT = "no_text"  # the message to edit holds a file, not a text
    NO_THREAD = "no_thread"  # the topic is deleted or closed
    NO_RIGHTS = "no_rights"  # the bot may not write, or not send this type of message
    TOO_LARGE = "too_large"  # the upload exceeds the server's limit
    BAD_FILE = "bad_file"  # Telegram can't use the link or the file as this type
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refused:
    """Telegram rejected the call."""

    reason: Refusal
    why: str


SendResult = Sent | LinkOnly | RetryAfter | Transient | Unknown | ChatGone | Migrated | Refused


def as_retryable(result: SendResult) -> SendResult:
    """For idempotent calls: treat an unknown outcome as retryable."""
    return Transient(result.why) if isinstance(result, Unknown) else result


_GONE = (
    "bot was blocked",
    "user is deactivated",
    "bot was kicked",
    "bot is not a member",
    "group chat was deleted",
    "can't initiate conversation",
)
_MAYBE_GONE = ("chat not found", "peer_id_invalid")
_REFUSALS = (
    (Refusal.NOT_EDITABLE, ("message can't be edited",)),
    (Refusal.NO_THREAD, ("thread not found", "topic_deleted", "topic_closed", "topic_id_invalid")),
    (
        Refusal.NO_MESSAGE,
        (
            "message to edit not found",
            "message_id_invalid",
            "message not found",
            "no media in the message",
        ),
    ),
    (Refusal.NO_TEXT, ("no text in the message",)),
    (
        Refusal.NO_RIGHTS,
        (
            "not enough rights",
            "have no rights",
            "no write access",
            "need administrator rights",
            "write_forbidden",
            "chat_restricted",
            "videos_forbidden",
            "media_forbidden",
            "docs_forbidden",
            "plain_forbidden",
        ),
    ),
    (
        Refusal.BAD_FILE,
        (
            "http url",
            "web page content",
            "upload file by url",
            "file identifier",
            "media_empty",
            "webpage_",
            "url_invalid",
            "video_file_invalid",
            "file_part",
            "failed to get",
        ),
    ),
    (Refusal.TOO_LARGE, ("too large", "file is too big")),
)


def read_error(error: tg.TelegramError) -> SendResult:
    """Map an error of python-telegram-bot to a result."""
    text = error.message.lower()
    if was_never_sent(error):
        return Transient(text)
    match error:
        case tg.RetryAfter():
            return RetryAfter(flood_wait_s(error))
        case tg.ChatMigrated():
            return Migrated(error.new_chat_id)
        case tg.BadRequest() | tg.Forbidden():
            return _refused(text)
        case tg.InvalidToken() if "not found" in text:
            return Refused(Refusal.NO_METHOD, text)
        # A revoked token or a wrong server address is fixed by a restart; no delivery may be lost by it.
        case tg.InvalidToken() | NotBotApi(is_refusal=True):
            return Transient(text)
        case tg.NetworkError() if "too large" in text:
            return Refused(Refusal.TOO_LARGE, text)
        case _:
            return Unknown(text)


def _refused(text: str) -> SendResult:
    if any(part in text for part in _GONE):
        return ChatGone(text)
    if any(part in text for part in _MAYBE_GONE):
        return ChatGone(text, is_certain=False)
    for reason, parts in _REFUSALS:
        if any(part in text for part in parts):
            return Refused(reason, text)
    return Refused(Refusal.OTHER, text)

"""What came of a call to Telegram, and how its error texts are read.

The texts are tdlib/telegram-bot-api's own; python-telegram-bot capitalises them anew, so parts are
matched in lower case. BadRequest and TimedOut are NetworkErrors there: the order below matters.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from telegram import error as tg

from bot.bot_api.request import NotBotApi, was_never_sent
from storage.models import StoredFile


@dataclass(frozen=True, slots=True)
class Sent:
    """Telegram has it."""

    message_id: int
    file: StoredFile | None = None  # the video in it


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Telegram wants this chat left alone for so many seconds; nothing was sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Transient:
    """It certainly did not arrive, and may later."""

    why: str
    again_s: float | None = None  # how long to wait; None: for as long as the way to Telegram is cut

    @property
    def is_of_the_route(self) -> bool:
        """Whether Telegram could not be reached, which says nothing of the message."""
        return self.again_s is None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost: it may have arrived."""

    why: str


@dataclass(frozen=True, slots=True)
class ChatGone:
    """The chat is lost to the bot."""

    why: str
    is_certain: bool = True  # False: servers say so of chats that are there, too; see DoubtedChats


@dataclass(frozen=True, slots=True)
class Migrated:
    """The group became a supergroup with another id."""

    new_id: int


@dataclass(frozen=True, slots=True)
class LinkOnly:
    """A link went in the film's place, and a person may have the film tried again."""

    why: str


class Refusal(StrEnum):
    """Why Telegram will never take this call as it is."""

    NO_MESSAGE = "no_message"  # the message to edit is gone
    NOT_EDITABLE = "not_editable"  # the message is there, and can't be edited any more
    NO_METHOD = "no_method"  # the Bot API server does not know the call
    NO_TEXT = "no_text"  # the message to edit holds a file by now
    NO_THREAD = "no_thread"  # the topic is deleted or closed
    NO_RIGHTS = "no_rights"  # the bot may not write, or not send this kind, there
    TOO_LARGE = "too_large"  # the upload exceeds the server's limit
    BAD_FILE = "bad_file"  # Telegram can't take the address or the file as this kind
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refused:
    """Telegram won't take it."""

    reason: Refusal
    why: str


SendResult = Sent | LinkOnly | RetryAfter | Transient | Unknown | ChatGone | Migrated | Refused


def as_retryable(result: SendResult) -> SendResult:
    """For a call that does no harm twice: a lost answer is no more than a failure to send."""
    return Transient(result.why) if isinstance(result, Unknown) else result


NOT_MODIFIED = "message is not modified"

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
    """What an error of python-telegram-bot means for the message that was to be sent."""
    text = error.message.lower()
    if was_never_sent(error):
        return Transient(text)
    match error:
        case tg.RetryAfter():
            return RetryAfter(_seconds(error.retry_after))
        case tg.ChatMigrated():
            return Migrated(error.new_chat_id)
        case tg.BadRequest() | tg.Forbidden():
            return _refused(text)
        case tg.InvalidToken() if "not found" in text:
            return Refused(Refusal.NO_METHOD, text)
        # A revoked token or a wrong address is mended by a restart; nothing may be lost by it.
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


def _seconds(wish: int | timedelta) -> float:
    return wish.total_seconds() if isinstance(wish, timedelta) else float(wish)

"""The objects of the fake Telegram: users, chats, messages, files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, human or bot."""

    id: int
    first_name: str
    language_code: str | None = None
    username: str | None = None
    is_bot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file stored at Telegram."""

    file_id: str  # with which a bot sends it again
    file_unique_id: str
    name: str
    mime_type: str
    content: bytes = field(repr=False)
    by_url: bool = False  # Telegram fetched it itself

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A video, photo or document in a message."""

    kind: str  # video, photo or document
    file: StoredFile
    width: int = 0  # pixels
    height: int = 0  # pixels
    duration_s: int = 0
    supports_streaming: bool = False
    thumbnail: StoredFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The current version of a message, with its earlier versions."""

    chat_id: int
    message_id: int
    date: int  # unix seconds
    sender: User | None  # None: the channel itself
    from_bot: bool = False  # ours
    sender_chat_id: int | None = None  # an anonymous administrator's group, or the channel
    text: str | None = None  # None: an attachment or a service message
    caption: str | None = None
    entities: tuple[Mapping[str, Any], ...] = ()  # of the text or the caption; offsets in UTF-16 units
    attachment: Attachment | None = None
    reply_to: int | None = None
    thread_id: int | None = None  # a forum topic, or in a plain supergroup the first message of a reply chain
    is_topic: bool = False
    reply_markup: Mapping[str, Any] | None = None
    service: Mapping[str, Any] = field(
        default_factory=dict
    )  # the fields of service messages: joined, migrated …
    edit_date: int | None = None
    deleted: bool = False
    history: tuple["Message", ...] = ()  # the versions before each edit, oldest first

    @property
    def buttons(self) -> list[Mapping[str, Any]]:
        """The buttons, row by row."""
        return [button for row in (self.reply_markup or {}).get("inline_keyboard", []) for button in row]

    @property
    def video(self) -> Attachment | None:
        """The video, if any."""
        return self.attachment if self.attachment and self.attachment.kind == "video" else None

    @property
    def document(self) -> Attachment | None:
        """The document, if any."""
        return self.attachment if self.attachment and self.attachment.kind == "document" else None

    @property
    def photo(self) -> Attachment | None:
        """The photo, if any."""
        return self.attachment if self.attachment and self.attachment.kind == "photo" else None

    @property
    def plain_text(self) -> str:
        """The text or the caption, without markup."""
        return self.text or self.caption or ""


@dataclass(slots=True, kw_only=True)
class Chat:
    """A chat with the bot's rights in it."""

    id: int
    type: str  # private, group, supergroup, channel
    title: str = ""
    is_forum: bool = False
    user: User | None = None  # the other side of a private chat
    bot_status: str = "member"  # member, administrator (of a channel), kicked (blocked by the user)
    admins: set[int] = field(default_factory=set)  # users; the bot is not among them
    migrated_to: int | None = None
    topics: dict[int, str] = field(default_factory=dict)  # thread id → name
    closed_topics: set[int] = field(default_factory=set)
    forbidden: set[str] = field(
        default_factory=set
    )  # what the bot may not send: text messages, videos, photos, documents
    messages: dict[int, Message] = field(default_factory=dict)  # deleted ones stay, marked
    last_message_id: int = 0
    pinned: list[int] = field(default_factory=list)  # message ids, the last one on top

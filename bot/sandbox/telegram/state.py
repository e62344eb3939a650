"""The state of the fake Telegram, shared by its users and its Bot API."""

import asyncio
import itertools
import time
from collections.abc import MutableMapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.chats import Attachment, Chat, Message, StoredFile, User
from bot.sandbox.telegram.events import Event
from bot.sandbox.telegram.serializers import Json, message_json
from bot.sandbox.telegram.updates import UpdateQueue
from bot.sandbox.telegram.webhook import WebhookSender


class State:
    """Users, chats, files and pending updates."""

    def __init__(self, bot: User, *, change_signal: ChangeSignal, local: bool) -> None:
        self.bot = bot
        self.local = local
        self.users: dict[int, User] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.updates = UpdateQueue()
        self.webhook = WebhookSender(self.updates, change_signal, local=local)
        self.queries: dict[str, bool] = {}  # callback query id → answered already
        self.commands: dict[tuple[str, str], list[Json]] = {}  # (scope JSON, language) → menu
        self._attachments: dict[str, Attachment] = {}  # file_id → how it was sent first
        self._file_numbers = itertools.count(1)
        self._change_signal = change_signal
        self._subscribers: list[asyncio.Queue[Event]] = []

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time())

    def subscribe(self) -> "asyncio.Queue[Event]":
        """Return a queue that receives every event from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._subscribers.append(queue)
        return queue

    def publish(self, event: Event) -> None:
        """Send an event to all subscribers."""
        for queue in self._subscribers:
            queue.put_nowait(event)
        self._change_signal.notify()

    def chat(self, chat_id: str | int) -> Chat:
        """Find a chat."""
        if chat_id == "":
            raise bad_request("chat_id is empty")
        try:
            return self.chats[int(chat_id)]
        except (KeyError, ValueError) as error:
            raise bad_request("chat not found") from error

    def post(self, chat: Chat, **content: Any) -> Message:
        """Add a new message to a chat; `content` are fields of Message."""
        chat.last_message_id += 1
        message = Message(chat_id=chat.id, message_id=chat.last_message_id, date=self.now(), **content)
        chat.messages[message.message_id] = message
        return message

    def change(self, message: Message, **content: Any) -> Message:
        """Edit a message and keep its old version."""
        changed = replace(message, edit_date=self.now(), history=(*message.history, message), **content)
        self.chats[message.chat_id].messages[message.message_id] = changed
        return changed

    def remove(self, message: Message) -> None:
        """Delete a message."""
        self.chats[message.chat_id].messages[message.message_id] = replace(message, deleted=True)

    def forget(self, *, messages: int, others: int) -> None:
        """Forget old messages of each chat, other entries, and all but the last former version of each."""
        for chat in self.chats.values():
            _keep_newest(chat.messages, messages)
            for message in [each for each in chat.messages.values() if len(each.history) > 1]:
                last = replace(message.history[-1], history=())
                chat.messages[message.message_id] = replace(message, history=(last,))
        _keep_newest(self._attachments, others)
        _keep_newest(self.queries, others)

    def json(self, message: Message) -> Json:
        """The message as JSON of the Bot API."""
        return message_json(message, self.chats)

    def store_file(self, content: bytes, *, name: str, mime_type: str, by_url: bool = False) -> StoredFile:
        """Store a file; each upload is a separate file, as at Telegram."""
        digest = sha256(f"{next(self._file_numbers)}".encode() + content).hexdigest()
        return StoredFile(
            file_id=f"BAACAgIAAxkB{digest}",
            file_unique_id=f"AgAD{digest[:12]}",
            name=name,
            mime_type=mime_type,
            content=content,
            by_url=by_url,
        )

    def store_attachment(self, attachment: Attachment) -> Attachment:
        """Store an attachment, to be sent again by its file_id."""
        self._attachments[attachment.file.file_id] = attachment
        return attachment

    def stored_attachment(self, file_id: str, kind: str) -> Attachment:
        """Find an attachment by its file_id."""
        attachment = self._attachments.get(file_id)
        if attachment is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        if attachment.kind != kind:
            raise bad_request(f"can't use file of type {attachment.kind.title()} as {kind.title()}")
        return attachment


def _keep_newest(entries: MutableMapping[Any, Any], number: int) -> None:
    """Remove all entries but those added last."""
    for key in list(entries)[: max(0, len(entries) - number)]:
        del entries[key]

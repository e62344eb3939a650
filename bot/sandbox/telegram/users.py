"""The users of the fake Telegram: they create chats, send messages, press buttons, add and remove the bot."""

import itertools
import re
from typing import Any

from bot.sandbox.telegram.chats import Chat, Message, User
from bot.sandbox.telegram.entities import utf16_length
from bot.sandbox.telegram.events import ButtonPressed, Deleted, UserSent
from bot.sandbox.telegram.serializers import (
    ANONYMOUS_ADMIN,
    Json,
    chat_json,
    member_json,
    user_json,
)
from bot.sandbox.telegram.state import State

_TELEGRAM = 777000  # the sender of automatic forwards
_COMMAND = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@\w+)?")


class Users:
    """The actions of all users except the bot."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._queries = itertools.count(1)
        self._state.users[ANONYMOUS_ADMIN] = User(
            id=ANONYMOUS_ADMIN, first_name="Group", username="GroupAnonymousBot", is_bot=True
        )
        self._state.users[_TELEGRAM] = User(id=_TELEGRAM, first_name="Telegram")

    def add_user(self, user_id: int, *, first_name: str, language_code: str | None = "en") -> int:
        """Add a user."""
        self._state.users[user_id] = User(id=user_id, first_name=first_name, language_code=language_code)
        return user_id

    def private_chat(
        self, user_id: int, *, first_name: str = "Anna", language_code: str | None = "en"
    ) -> int:
        """Add a user with a private chat with the bot; the chat id is the user id."""
        self.add_user(user_id, first_name=first_name, language_code=language_code)
        return self._open(Chat(id=user_id, type="private", user=self._state.users[user_id]))

    def group(self, chat_id: int, *, title: str = "Group", supergroup: bool = True) -> int:
        """Add a group with the bot as a member; ids of supergroups begin with -100."""
        return self._open(Chat(id=chat_id, type="supergroup" if supergroup else "group", title=title))

    def forum(self, chat_id: int, *, title: str = "Forum") -> int:
        """Add a supergroup with topics; as in the Bot API, General (1) is not listed as one."""
        return self._open(Chat(id=chat_id, type="supergroup", title=title, is_forum=True, last_message_id=1))

    def channel(self, chat_id: int, *, title: str = "Channel") -> int:
        """Add a channel with the bot as an administrator."""
        return self._open(Chat(id=chat_id, type="channel", title=title, bot_status="administrator"))

    def promote(self, chat_id: int, user_id: int) -> None:
        """Make a user an admin of a group or channel."""
        self._state.chats[chat_id].admins.add(user_id)

    def topic(self, chat_id: int, name: str) -> int:
        """Open a topic and return its thread id."""
        chat = self._state.chats[chat_id]
        service = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        thread_id = chat.last_message_id + 1
        chat.topics[thread_id] = name
        self._state.post(
            chat,
            sender=self._state.users[ANONYMOUS_ADMIN],
            thread_id=thread_id,
            is_topic=True,
            service=service,
        )
        return thread_id

    def close_topic(self, chat_id: int, thread_id: int) -> None:
        """Close a topic: the bot, not an administrator, can't send messages there."""
        self._state.chats[chat_id].closed_topics.add(thread_id)

    def delete_topic(self, chat_id: int, thread_id: int) -> None:
        """Delete a topic with its messages."""
        chat = self._state.chats[chat_id]
        del chat.topics[thread_id]
        for message in [each for each in chat.messages.values() if each.thread_id == thread_id]:
            self.delete_message(chat_id, message.message_id)

    def send(
        self,
        chat_id: int,
        text: str,
        *,
        user: int | None = None,
        thread: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Send a message and return its id; the default sender is the chat's user, or the channel."""
        chat = self._state.chats[chat_id]
        sender = None if chat.type == "channel" else self._state.users[user if user is not None else chat_id]
        message = self._state.post(
            chat,
            sender=sender,
            sender_chat_id=_sender_chat_id(chat, sender),
            text=text,
            entities=_commands(text),
            reply_to=reply_to or thread,
            thread_id=thread,
            is_topic=thread is not None,
        )
        if self._bot_sees(chat, message):
            kind = "channel_post" if chat.type == "channel" else "message"
            self._state.updates.add(kind, self._state.json(message))
        self._state.publish(UserSent(message=message))
        return message.message_id

    def forward_to_discussion(self, channel_id: int, message_id: int, group_id: int) -> int:
        """Forward a post to the channel's discussion group, as Telegram does; return its id there."""
        post, origin = self._state.chats[channel_id].messages[message_id], self._state.chats[channel_id]
        service = {
            "is_automatic_forward": True,
            "forward_origin": {
                "type": "channel",
                "chat": chat_json(origin),
                "message_id": message_id,
                "date": post.date,
            },
        }
        message = self._state.post(
            self._state.chats[group_id],
            sender=self._state.users[_TELEGRAM],
            sender_chat_id=channel_id,
            text=post.text,
            entities=post.entities,
            service=service,
        )
        self._state.updates.add("message", self._state.json(message))
        return message.message_id

    def edit(self, chat_id: int, message_id: int, text: str) -> None:
        """Edit the text of a user's message."""
        chat = self._state.chats[chat_id]
        message = self._state.change(chat.messages[message_id], text=text, entities=_commands(text))
        kind = "edited_channel_post" if chat.type == "channel" else "edited_message"
        if self._bot_sees(chat, message):
            self._state.updates.add(kind, self._state.json(message))
        self._state.publish(UserSent(message=message))

    def press(self, chat_id: int, message_id: int, data: str, *, user: int | None = None) -> str:
        """Press the button with this callback data; return the query id. user: None in a private chat."""
        message = self._state.chats[chat_id].messages[message_id]
        if data not in [button.get("callback_data") for button in message.buttons]:
            raise LookupError(f"no button {data!r} under message {message_id}")
        query_id = str(4_000_000_000_000 + next(self._queries))
        query = {
            "id": query_id,
            "from": user_json(self._state.users[user if user is not None else chat_id]),
            "message": self._state.json(message),
            "chat_instance": str(chat_id),
            "data": data,
        }
        self._state.queries[query_id] = False
        self._state.updates.add("callback_query", query)
        self._state.publish(ButtonPressed(message=message, data=data))
        return query_id

    def delete_message(self, chat_id: int, message_id: int) -> None:
        """Delete any message; bots get no update about it."""
        message = self._state.chats[chat_id].messages[message_id]
        self._state.remove(message)
        self._state.publish(Deleted(message=message))

    def pinned(self, chat_id: int) -> list[int]:
        """The ids of a chat's pinned messages, the last one on top."""
        return self._state.chats[chat_id].pinned

    def forbid(self, chat_id: int, *kinds: str) -> None:
        """Forbid the bot to send "text messages", "videos" or "documents"; without kinds: allow all."""
        self._state.chats[chat_id].forbidden = set(kinds)

    def block(self, user_id: int) -> None:
        """Block the bot."""
        self._set_bot_status(user_id, "kicked", user=user_id)

    def unblock(self, user_id: int) -> None:
        """Unblock the bot."""
        self._set_bot_status(user_id, "member", user=user_id)

    def add_bot(self, chat_id: int, *, user: int) -> None:
        """Add the bot to a group, or to a channel as an administrator."""
        chat = self._state.chats[chat_id]
        chat.bot_status = "left"
        self._set_bot_status(chat_id, "administrator" if chat.type == "channel" else "member", user=user)

    def remove_bot(self, chat_id: int, *, user: int) -> None:
        """Remove the bot from a group or channel."""
        self._set_bot_status(chat_id, "kicked", user=user)

    def _set_bot_status(self, chat_id: int, status: str, *, user: int) -> None:
        chat = self._state.chats[chat_id]
        before, chat.bot_status = chat.bot_status, status
        change: Json = {
            "chat": chat_json(chat),
            "from": user_json(self._state.users[user]),
            "date": self._state.now(),
            "old_chat_member": member_json(self._state.bot, before),
            "new_chat_member": member_json(self._state.bot, status),
        }
        self._state.updates.add("my_chat_member", change)

    def migrate(self, chat_id: int, new_id: int) -> int:
        """Convert a group to a supergroup, with another id and without the old messages."""
        old = self._state.chats[chat_id]
        new = Chat(id=new_id, type="supergroup", title=old.title)
        self._open(new)
        old.migrated_to = new_id
        self._post_service_message(old, migrate_to_chat_id=new_id)
        self._post_service_message(new, migrate_from_chat_id=chat_id)
        return new_id

    def _post_service_message(self, chat: Chat, **service: Any) -> None:
        message = self._state.post(chat, sender=self._state.users[ANONYMOUS_ADMIN], service=service)
        self._state.updates.add("message", self._state.json(message))

    def _open(self, chat: Chat) -> int:
        self._state.chats[chat.id] = chat
        return chat.id

    def _bot_sees(self, chat: Chat, message: Message) -> bool:
        """In groups privacy mode hides all messages except commands and mentions: https://core.telegram.org/bots/features#privacy-mode."""
        if chat.bot_status == "kicked":
            return False
        if chat.type in {"private", "channel"}:
            return True
        text = message.text or ""
        command = _COMMAND.match(text)
        if command is not None:
            return command[0].partition("@")[2] in {"", self._state.bot.username}
        return re.search(rf"(?<![\w@])@{self._state.bot.username}\b", text, re.IGNORECASE) is not None


def _sender_chat_id(chat: Chat, sender: User | None) -> int | None:
    """The chat on whose behalf channels and anonymous administrators send."""
    return chat.id if sender is None or sender.id == ANONYMOUS_ADMIN else None


def _commands(text: str) -> tuple[Json, ...]:
    return tuple(
        {"type": "bot_command", "offset": utf16_length(text[: match.start()]), "length": len(match[0])}
        for match in _COMMAND.finditer(text)
    )

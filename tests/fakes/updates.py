"""Telegram's updates: https://core.telegram.org/bots/api#message."""

import re
from typing import Any

Json = dict[str, Any]

_ANONYMOUS_ADMIN = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
_BOT = {"id": 99, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}
_TELEGRAM = {"id": 777000, "is_bot": False, "first_name": "Telegram"}


def person(user_id: int, language: str | None = "en") -> Json:
    """A user; language None: not in the update."""
    user: Json = {"id": user_id, "is_bot": False, "first_name": "Ann"}
    return user if language is None else user | {"language_code": language}


def private(user_id: int, text: str, *, language: str | None = "en") -> Json:
    """A message in a user's private chat with the bot."""
    chat = {"id": user_id, "type": "private", "first_name": "Ann"}
    return _message(chat, text) | {"from": person(user_id, language)}


def group(chat_id: int, user_id: int, text: str, **fields: Any) -> Json:
    """A message in a group; fields are added to it."""
    chat = {"id": chat_id, "type": "supergroup", "title": "Films"}
    return _message(chat, text) | {"from": person(user_id)} | fields


def topic(chat_id: int, user_id: int, thread_id: int, text: str) -> Json:
    """A message in a forum's topic."""
    return group(chat_id, user_id, text, message_thread_id=thread_id, is_topic_message=True)


def anonymous_admin(chat_id: int, text: str) -> Json:
    """A message of an admin who writes as the group."""
    message = group(chat_id, 0, text)
    return message | {"from": _ANONYMOUS_ADMIN, "sender_chat": message["chat"]}


def channel_post(chat_id: int, text: str) -> Json:
    """A post in a channel, without an author."""
    chat = {"id": chat_id, "type": "channel", "title": "News"}
    return _message(chat, text) | {"sender_chat": chat}


def automatic_forward(group_id: int, channel_id: int, text: str) -> Json:
    """A channel's post, forwarded to the linked group."""
    channel = {"id": channel_id, "type": "channel", "title": "News"}
    origin = {"type": "channel", "chat": channel, "message_id": 5, "date": 1}
    message = group(group_id, 0, text, sender_chat=channel, forward_origin=origin, is_automatic_forward=True)
    return message | {"from": _TELEGRAM}


def captioned(user_id: int, caption: str) -> Json:
    """A photo with a caption in a private chat."""
    message = private(user_id, caption)
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
    entities = message.pop("entities", [])
    return message | {"caption": message.pop("text"), "caption_entities": entities, "photo": photo}


def replying(message: Json, text: str, *, caption: bool = False) -> Json:
    """The message as a reply to another one in the same chat with this text or caption."""
    said = {"message_id": 6, "date": 1, "chat": message["chat"], "from": person(77)}
    return message | {"reply_to_message": said | {"caption" if caption else "text": text}}


def press(chat: Json, user_id: int, data: str, *, language: str = "en") -> Json:
    """A callback_query update: a button under a message of the bot was pressed."""
    sender = {"sender_chat": chat} if chat["type"] == "channel" else {"from": _BOT}
    return {
        "id": "4000000000001",
        "from": person(user_id, language),
        "message": {"message_id": 8, "date": 1, "chat": chat, "text": "A card"} | sender,
        "chat_instance": "1",
        "data": data,
    }


def membership(chat: Json, user_id: int, *, before: str, after: Json, language: str = "en") -> Json:
    """A my_chat_member update: user_id changed the bot's status in a chat."""
    return {
        "chat": chat,
        "from": person(user_id, language),
        "date": 1,
        "old_chat_member": {"user": _BOT, "status": before, "until_date": 0},
        "new_chat_member": {"user": _BOT, "until_date": 0} | after,
    }


def _message(chat: Json, text: str) -> Json:
    message: Json = {"message_id": 7, "date": 1, "chat": chat, "text": text}
    command = re.match(r"/[A-Za-z0-9_]+(@[A-Za-z0-9_]+)?", text)
    if command:
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": command.end()}]
    return message

"""The chats and messages of the fake Telegram as the page shows them."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from bot.sandbox.telegram.chats import Attachment, Chat, Message, User
from bot.sandbox.telegram.state import State

Json = dict[str, Any]

_QUOTED = 120  # characters of the message that a reply quotes
_ANY_LANGUAGE = ""


def chat_view(state: State, chat: Chat, *, people: tuple[int, ...]) -> Json:
    """A chat; people: the users who can write there, the first by default."""
    language = (state.users[people[0]].language_code if people else None) or "en"
    return {
        "id": chat.id,
        "type": chat.type,
        "title": chat.title or (chat.user.first_name if chat.user else ""),
        "language": language,
        "people": [{"id": each, "name": state.users[each].first_name} for each in people],
        "topics": [{"id": thread, "name": name} for thread, name in chat.topics.items()],
        "isForum": chat.is_forum,
        "commands": commands_in(state, chat, language),
        "pinned": chat.pinned[-1] if chat.pinned else None,
    }


def commands_in(state: State, chat: Chat, language: str) -> list[Json]:
    """The bot's menu: https://core.telegram.org/bots/api#determining-list-of-commands."""
    kinds = {"private": ("all_private_chats",), "channel": ()}
    scopes: list[Json] = [
        {"type": "chat", "chat_id": chat.id},
        *({"type": kind} for kind in kinds.get(chat.type, ("all_group_chats",))),
        {"type": "default"},
    ]
    menus = [(json.loads(scope), code, menu) for (scope, code), menu in state.commands.items()]
    for wanted in itertools.product(scopes, (language.partition("-")[0], _ANY_LANGUAGE)):
        for scope, code, menu in menus:
            if menu and (scope, code) == wanted:
                return menu
    return []


def message_view(state: State, message: Message) -> Json:
    """A message in its present version."""
    chat = state.chats[message.chat_id]
    view: Json = {
        "id": message.message_id,
        "chat": message.chat_id,
        "date": message.date,
        "isEdited": message.edit_date is not None,
        "isMine": not message.from_bot and not message.service,
        "from": _name(message.sender, chat),
        "isBot": message.from_bot,
        "thread": message.thread_id if chat.is_forum else None,
        "text": message.plain_text,
        "entities": list(message.entities),
        "keyboard": _keyboard(message.reply_markup),
        "service": _service(message),
        "reply": _reply(chat, message),
    }
    if message.attachment is not None:
        view["attachment"] = _attachment(message, message.attachment)
    return view


def _name(sender: User | None, chat: Chat) -> str:
    return sender.first_name if sender is not None else chat.title


def _keyboard(markup: Mapping[str, Any] | None) -> list[list[Json]]:
    return [[_button(button) for button in row] for row in (markup or {}).get("inline_keyboard", [])]


def _button(button: Mapping[str, Any]) -> Json:
    if "copy_text" in button:
        return {"text": button["text"], "copy": button["copy_text"]["text"]}
    if "url" in button:
        return {"text": button["text"], "url": button["url"]}
    return {"text": button["text"], "data": button.get("callback_data", "")}


def _service(message: Message) -> str | None:
    """The name of a topic that was opened, or "…" for another event; None: a message with a content."""
    if message.text is not None or message.attachment is not None:
        return None
    topic = message.service.get("forum_topic_created")
    return str(topic["name"]) if topic else "…"


def _reply(chat: Chat, message: Message) -> Json | None:
    if message.reply_to is None or message.reply_to == message.thread_id:
        return None
    replied = chat.messages.get(message.reply_to)
    if replied is None or replied.deleted:
        return None
    text = " ".join(replied.plain_text.split())
    return {
        "id": replied.message_id,
        "from": _name(replied.sender, chat),
        "text": text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…",
        "kind": replied.attachment.kind if replied.attachment else None,
    }


def _attachment(message: Message, attachment: Attachment) -> Json:
    # With the file's id, so that a browser does not show the former file of an edited message.
    address = f"/media/{message.chat_id}/{message.message_id}/{attachment.file.file_unique_id}"
    return {
        "kind": attachment.kind,
        "url": address,
        "poster": f"{address}/poster" if attachment.thumbnail else None,
        "width": attachment.width,
        "height": attachment.height,
        "seconds": attachment.duration_s,
        "bytes": attachment.file.size,
        "name": attachment.file.name,
    }

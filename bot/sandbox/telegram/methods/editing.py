"""The Bot API's methods that edit, pin or delete messages."""

from typing import Any

from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.content import RequestedFile, attachment, caption_text, message_text, reply_markup
from bot.sandbox.telegram.events import BotEdited, Deleted, Pinned
from bot.sandbox.telegram.methods.sending import open_chat
from bot.sandbox.telegram.serializers import Json
from bot.sandbox.telegram.state import State

_DELETABLE_S = 48 * 3600  # https://core.telegram.org/bots/api#deletemessage


async def edit_message_text(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#editmessagetext"""
    message = _editable(state, arguments)
    if message.text is None:
        raise bad_request("there is no text in the message to edit")
    text, entities = message_text(
        arguments.text("text"), arguments.text("parse_mode"), arguments.structure("entities")
    )
    return _changed(state, message, text=text, entities=entities, reply_markup=reply_markup(arguments))


async def edit_message_media(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#editmessagemedia: a text message may become a video as well."""
    media = arguments.structure("media")
    if not isinstance(media, dict) or media.get("type") not in {"video", "document"}:
        raise bad_request("can't parse InputMedia: media type is unsupported")
    message = _editable(state, arguments, kind=f"{media['type']}s")
    markup = reply_markup(arguments)
    caption, entities = caption_text(
        media.get("caption", ""), media.get("parse_mode", ""), media.get("caption_entities")
    )
    requested = RequestedFile(kind=media["type"], source=str(media.get("media", "")), fields=media)
    stored = await attachment(state, requested, arguments.uploads)
    message = _editable(state, arguments)  # it may have changed while a link was fetched
    content = {"attachment": stored, "caption": caption, "entities": entities}
    return _changed(state, message, text=None, reply_markup=markup, **content)


async def edit_message_caption(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#editmessagecaption"""
    message = _editable(state, arguments)
    if message.attachment is None:
        raise bad_request("there is no caption in the message to edit")
    caption, entities = caption_text(
        arguments.text("caption"), arguments.text("parse_mode"), arguments.structure("caption_entities")
    )
    return _changed(state, message, caption=caption, entities=entities, reply_markup=reply_markup(arguments))


async def delete_message(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#deletemessage"""
    chat = open_chat(state, arguments)
    message = chat.messages.get(arguments.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request("message to delete not found")
    if state.now() - message.date > _DELETABLE_S or (not message.from_bot and chat.type != "private"):
        raise bad_request("message can't be deleted")
    state.remove(message)
    state.publish(Deleted(message=message))
    return True


async def pin_chat_message(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#pinchatmessage: outside private chats, for admins only."""
    chat = open_chat(state, arguments)
    if chat.type != "private" and chat.bot_status != "administrator":
        raise bad_request("not enough rights to manage pinned messages in the chat")
    message = chat.messages.get(arguments.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request("message to pin not found")
    chat.pinned.append(message.message_id)
    state.publish(Pinned(message=message))
    return True


def _editable(state: State, arguments: Arguments, *, kind: str | None = None) -> Message:
    chat = open_chat(state, arguments, kind=kind)
    message = chat.messages.get(arguments.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request("message to edit not found")
    if not message.from_bot or (message.reply_markup and "inline_keyboard" not in message.reply_markup):
        raise bad_request("message can't be edited")
    return message


def _changed(state: State, message: Message, **content: Any) -> Json:
    if all(_same(getattr(message, name), value) for name, value in content.items()):
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same"
            " as a current content and reply markup of the message"
        )
    changed = state.change(message, **content)
    state.publish(BotEdited(message=changed, before=message))
    return state.json(changed)


def _same(old: object, new: object) -> bool:
    return (old or None) == (new or None)

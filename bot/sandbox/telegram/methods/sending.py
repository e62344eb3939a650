"""The Bot API's methods that send new messages to a chat."""

from typing import Any

from bot.sandbox.telegram.api_errors import bad_request, forbidden
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.content import RequestedFile, attachment, caption_text, message_text, reply_markup
from bot.sandbox.telegram.events import ActionShown, BotSent
from bot.sandbox.telegram.serializers import Json
from bot.sandbox.telegram.state import State

_FILE_FIELDS = ("width", "height", "duration", "supports_streaming", "thumbnail")


async def send_message(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#sendmessage"""
    chat = open_chat(state, arguments, kind="text messages")
    placement = _placement(chat, arguments)
    markup = reply_markup(arguments)
    text, entities = message_text(
        arguments.text("text"), arguments.text("parse_mode"), arguments.structure("entities")
    )
    return _post(state, chat, text=text, entities=entities, reply_markup=markup, **placement)


async def send_video(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#sendvideo"""
    return await _send_file(state, arguments, "video")


async def send_photo(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#sendphoto"""
    return await _send_file(state, arguments, "photo")


async def send_document(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#senddocument"""
    return await _send_file(state, arguments, "document")


async def send_chat_action(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#sendchataction"""
    chat = open_chat(state, arguments)
    thread_id = arguments.integer("message_thread_id") or None
    state.publish(ActionShown(chat_id=chat.id, thread_id=thread_id, action=arguments.text("action")))
    return True


def open_chat(state: State, arguments: Arguments, *, kind: str | None = None) -> Chat:
    """Find the chat; raises ApiError unless the bot may send this kind of message there."""
    chat = state.chat(arguments.text("chat_id"))
    if chat.migrated_to is not None:
        raise bad_request("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
    if chat.bot_status == "kicked":
        raise forbidden("bot was blocked by the user")
    if kind in chat.forbidden:
        raise bad_request(f"not enough rights to send {kind} to the chat")
    return chat


async def _send_file(state: State, arguments: Arguments, kind: str) -> Json:
    chat = open_chat(state, arguments, kind=f"{kind}s")
    placement = _placement(chat, arguments)
    markup = reply_markup(arguments)
    caption, entities = caption_text(
        arguments.text("caption"), arguments.text("parse_mode"), arguments.structure("caption_entities")
    )
    fields = {name: arguments.text(name) for name in _FILE_FIELDS if arguments.text(name)}
    requested = RequestedFile(kind=kind, source=arguments.text(kind), fields=fields)
    stored = await attachment(state, requested, arguments.uploads)
    content = {"attachment": stored, "caption": caption, "entities": entities}
    return _post(state, chat, reply_markup=markup, **content, **placement)


def _post(state: State, chat: Chat, **content: Any) -> Json:
    channel = chat.type == "channel"
    message = state.post(
        chat,
        sender=None if channel else state.bot,
        sender_chat_id=chat.id if channel else None,
        from_bot=True,
        **content,
    )
    state.publish(BotSent(message=message))
    return state.json(message)


def _placement(chat: Chat, arguments: Arguments) -> dict[str, Any]:
    """Find the topic and the message to reply to."""
    thread_id = arguments.integer("message_thread_id") or None
    threads = chat.topics if chat.is_forum else chat.messages if chat.type == "supergroup" else ()
    if thread_id is not None and thread_id not in threads:
        raise bad_request("message thread not found")
    if thread_id in chat.closed_topics:
        raise bad_request("TOPIC_CLOSED")
    reply_to = _replied(chat, arguments, thread_id)
    if thread_id is None and reply_to is not None and chat.type == "supergroup" and not chat.is_forum:
        thread_id = chat.messages[reply_to].thread_id or reply_to
    return {"thread_id": thread_id, "is_topic": chat.is_forum and thread_id is not None, "reply_to": reply_to}


def _replied(chat: Chat, arguments: Arguments, thread_id: int | None) -> int | None:
    requested = arguments.structure("reply_parameters") or {}
    message_id = int(requested.get("message_id", 0))
    if not message_id:
        return thread_id if chat.is_forum else None
    message = chat.messages.get(message_id)
    elsewhere = message is not None and chat.is_forum and message.thread_id != thread_id
    if message is not None and not message.deleted and not elsewhere:
        return message_id
    # https://core.telegram.org/bots/api#replyparameters: never without reply into another topic
    if elsewhere or not requested.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return thread_id if chat.is_forum else None

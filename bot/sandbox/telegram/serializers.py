"""Chats, messages and files in the Bot API's JSON: https://core.telegram.org/bots/api#available-types."""

from collections.abc import Mapping
from typing import Any

from bot.sandbox.telegram.chats import Attachment, Chat, Message, StoredFile, User

Json = dict[str, Any]

ANONYMOUS_ADMIN = 1087968824
_ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
)


def user_json(user: User) -> Json:
    """A User."""
    fields = {
        "id": user.id,
        "is_bot": user.is_bot,
        "first_name": user.first_name,
        "username": user.username,
        "language_code": user.language_code,
    }
    return {name: value for name, value in fields.items() if value is not None}


def chat_json(chat: Chat) -> Json:
    """A Chat."""
    fields: Json = {"id": chat.id, "type": chat.type}
    if chat.user is not None:
        return fields | {"first_name": chat.user.first_name}
    return fields | {"title": chat.title} | ({"is_forum": True} if chat.is_forum else {})


def file_json(file: StoredFile) -> Json:
    """The fields of every kind of file."""
    return {"file_id": file.file_id, "file_unique_id": file.file_unique_id, "file_size": file.size}


def attachment_json(attachment: Attachment) -> Json | list[Json]:
    """A Video, the sizes of a photo (one), or a Document."""
    if attachment.kind == "photo":
        return [file_json(attachment.file) | {"width": attachment.width, "height": attachment.height}]
    fields = file_json(attachment.file) | {
        "file_name": attachment.file.name,
        "mime_type": attachment.file.mime_type,
    }
    if attachment.thumbnail is not None:
        fields["thumbnail"] = file_json(attachment.thumbnail) | {"width": 320, "height": 320}
    if attachment.kind == "video":
        fields |= {"width": attachment.width, "height": attachment.height, "duration": attachment.duration_s}
    return fields


def message_json(message: Message, chats: Mapping[int, Chat], *, nested: bool = False) -> Json:
    """A Message; a nested one has no reply_to_message."""
    chat = chats[message.chat_id]
    fields: Json = {"message_id": message.message_id, "chat": chat_json(chat), "date": message.date}
    if message.sender is not None:
        fields["from"] = user_json(message.sender)
    if message.sender_chat_id is not None:
        fields["sender_chat"] = chat_json(chats[message.sender_chat_id])
    if message.thread_id is not None:
        fields["message_thread_id"] = message.thread_id
    if message.is_topic:
        fields["is_topic_message"] = True
    replied = chat.messages.get(message.reply_to) if message.reply_to is not None else None
    if replied is not None and not replied.deleted and not nested:
        fields["reply_to_message"] = message_json(replied, chats, nested=True)
    if message.edit_date is not None:
        fields["edit_date"] = message.edit_date
    return fields | _content_json(message)


def _content_json(message: Message) -> Json:
    fields: Json = dict(message.service)
    if message.text is not None:
        fields["text"] = message.text
    if message.caption:
        fields["caption"] = message.caption
    if message.entities:
        fields["entities" if message.text is not None else "caption_entities"] = list(message.entities)
    if message.attachment is not None:
        fields[message.attachment.kind] = attachment_json(message.attachment)
    if message.reply_markup is not None and "inline_keyboard" in message.reply_markup:
        fields["reply_markup"] = message.reply_markup
    return fields


def member_json(user: User, status: str) -> Json:
    """A ChatMember."""
    fields: Json = {"user": user_json(user), "status": status}
    if status == "kicked":
        fields["until_date"] = 0
    if status == "administrator":
        fields |= dict.fromkeys(_ADMIN_RIGHTS, True) | {"can_be_edited": False, "is_anonymous": False}
    return fields

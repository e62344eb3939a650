"""Validates the results of Bot API methods, as far as the bot relies on them."""

import logging
from typing import Any, TypeVar

from telegram import (
    CallbackQuery,
    Chat,
    ChatMember,
    ChatMemberUpdated,
    MaybeInaccessibleMessage,
    Message,
    TelegramObject,
    Update,
    User,
    WebhookInfo,
)

log = logging.getLogger(__name__)

# Exceptions from a value of the wrong type, here and in python-telegram-bot.
MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
_MAX_UPDATES = 100  # in a response
_IDS_LOGGED = 10
_INT64 = 1 << 63

T = TypeVar("T", bound=TelegramObject)


class Unexpected(Exception):
    """The result is not valid for the method."""


class ResultChecker:
    """Checks results, and logs each malformed update once, although Telegram redelivers unconfirmed ones."""

    def __init__(self) -> None:
        self._skipped: frozenset[int | None] = frozenset()

    def check(self, method: str, result: Any) -> Any:
        """The result with its malformed updates emptied; raises Unexpected if it is invalid."""
        match method:
            case "getUpdates":
                return self._updates(result)
            case "getMe":
                bot = _parsed(User, result)
                is_valid = bot is not None and bot.is_bot is True and _is_user(bot) and bool(bot.username)
            case "getWebhookInfo":
                info = _parsed(WebhookInfo, result)
                is_valid = (
                    info is not None
                    and isinstance(info.url, str)
                    and is_int(info.pending_update_count)
                    and _are_texts(info.last_error_message)
                )
            case "getChatMember":
                is_valid = _is_member(result)
            case "getChatAdministrators":
                is_valid = isinstance(result, list) and all(_is_member(each) for each in result)
            case "sendChatAction":
                is_valid = result is True
            case _ if method.startswith("send"):
                is_valid = _is_message(result)
            case _ if method.startswith("edit"):  # True: for an inline message
                is_valid = result is True or _is_message(result)
            case _:
                is_valid = result is not None
        if not is_valid:
            raise Unexpected
        return result

    def _updates(self, result: Any) -> Any:
        """The updates; a malformed one is reduced to its id, with which it is confirmed."""
        if not isinstance(result, list):
            raise Unexpected
        if not result:
            return result
        kept: list[Any] = []
        skipped: list[int | None] = []
        for raw in result[:_MAX_UPDATES]:
            update_id = raw.get("update_id") if isinstance(raw, dict) else None
            if not is_int(update_id):
                skipped.append(None)
            elif _is_readable(raw):
                kept.append(raw)
            else:
                skipped.append(update_id)
                kept.append({"update_id": update_id})
        self._log_new(skipped)
        if not kept:
            raise Unexpected
        return kept if skipped or len(kept) < len(result) else result

    def _log_new(self, skipped: list[int | None]) -> None:
        if new := [each for each in skipped if each not in self._skipped]:
            ids = ", ".join("without an id" if each is None else str(each) for each in new[:_IDS_LOGGED])
            log.warning(
                "Skipped malformed updates (%d): %s", len(new), ids, extra={"event": "update_malformed"}
            )
        self._skipped = frozenset(skipped)


def _is_message(result: Any) -> bool:
    message = _parsed(Message, result)
    if message is None or not (is_int(message.message_id) and _has_chat(message)):
        return False
    files = [file for file in (message.video, message.document) if file is not None]
    return all(
        isinstance(file.file_id, str) and (file.file_size is None or is_int(file.file_size)) for file in files
    )


def _is_readable(raw: dict[str, Any]) -> bool:
    update = _parsed(Update, raw)
    if update is None:
        return False
    try:
        chat, user = update.effective_chat, update.effective_user
        return (
            (chat is None or _is_chat(chat))
            and (user is None or _is_user(user))
            and _has_valid_message(update.effective_message)
            and (update.callback_query is None or _is_query(update.callback_query))
            and (update.my_chat_member is None or _is_member_change(update.my_chat_member))
        )
    except MALFORMED:
        return False


def _has_chat(message: MaybeInaccessibleMessage) -> bool:
    return isinstance(message.chat, Chat) and _is_chat(message.chat)


def _is_chat(chat: Chat) -> bool:
    return is_int(chat.id) and isinstance(chat.type, str) and _are_texts(chat.title, chat.username)


def _is_user(user: User) -> bool:
    return (
        is_int(user.id) and isinstance(user.first_name, str) and _are_texts(user.username, user.language_code)
    )


def _has_valid_message(message: MaybeInaccessibleMessage | None) -> bool:
    if message is None:
        return True
    if not (is_int(message.message_id) and _has_chat(message)):
        return False
    if not isinstance(message, Message):
        return True
    entities = (*message.entities, *message.caption_entities)
    return (
        (message.message_thread_id is None or is_int(message.message_thread_id))
        and _are_texts(message.text, message.caption, *(entity.url for entity in entities))
        and all(isinstance(entity.type, str) for entity in entities)
        and all(
            each is None or is_int(each)
            for each in (message.migrate_to_chat_id, message.migrate_from_chat_id)
        )
        and all(is_int(entity.offset) and is_int(entity.length) for entity in entities)
        and _has_valid_message(message.reply_to_message)
    )


def _is_query(query: CallbackQuery) -> bool:
    return isinstance(query.id, str) and isinstance(query.from_user, User) and _are_texts(query.data)


def _is_member_change(change: ChatMemberUpdated) -> bool:
    return isinstance(change.new_chat_member.status, str) and isinstance(change.old_chat_member.status, str)


def _is_member(raw: Any) -> bool:
    member = _parsed(ChatMember, raw)
    return member is not None and isinstance(member.status, str) and _is_user(member.user)


def _parsed(kind: type[T], raw: Any) -> T | None:
    if not isinstance(raw, dict):
        return None
    try:
        return kind.de_json(raw, None)
    except MALFORMED:
        return None


def _are_texts(*values: object) -> bool:
    """Whether each value is a string or None."""
    return all(value is None or isinstance(value, str) for value in values)


def is_int(value: object) -> bool:
    """Whether it is an integer that the database can hold."""
    return type(value) is int and -_INT64 <= value < _INT64

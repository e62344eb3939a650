"""The Bot API's methods that read or set something and send nothing to a chat."""

import re

from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.events import Answered
from bot.sandbox.telegram.methods.sending import open_chat
from bot.sandbox.telegram.serializers import Json, chat_json, file_json, member_json, user_json
from bot.sandbox.telegram.state import State

_DOWNLOAD_LIMIT = 20 << 20  # bytes; https://core.telegram.org/bots/api#getfile
_MENU_LIMIT = 100  # commands
_DESCRIPTION_LIMIT = 256  # characters
_ANSWER_LIMIT = 200  # characters
_POLL_LIMIT = 100  # updates
_DEFAULT_SCOPE = '{"type": "default"}'


async def get_me(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getme"""
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }
    return user_json(state.bot) | abilities


async def get_updates(state: State, arguments: Arguments) -> list[Json]:
    """https://core.telegram.org/bots/api#getupdates"""
    if (allowed := arguments.structure("allowed_updates")) is not None:
        state.updates.allowed = list(allowed)
    return await state.updates.poll(
        offset=arguments.integer("offset"),
        limit=min(max(arguments.integer("limit", _POLL_LIMIT), 1), _POLL_LIMIT),
        timeout_s=arguments.integer("timeout"),
    )


async def delete_webhook(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#deletewebhook"""
    if arguments.flag("drop_pending_updates"):
        state.updates.drop()
    state.updates.set_webhook("")
    return True


async def set_webhook(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#setwebhook; updates are not sent to it."""
    state.updates.set_webhook(arguments.text("url"))
    return True


async def get_webhook_info(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getwebhookinfo"""
    return {
        "url": state.updates.webhook_url,
        "has_custom_certificate": False,
        "pending_update_count": state.updates.waiting,
    }


async def set_my_commands(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#setmycommands"""
    commands = arguments.structure("commands") or []
    for command in commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= _DESCRIPTION_LIMIT:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    if len(commands) > _MENU_LIMIT:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    state.commands[_menu(arguments)] = commands
    return True


async def get_my_commands(state: State, arguments: Arguments) -> list[Json]:
    """https://core.telegram.org/bots/api#getmycommands"""
    return state.commands.get(_menu(arguments), [])


async def delete_my_commands(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#deletemycommands"""
    state.commands.pop(_menu(arguments), None)
    return True


async def set_my_description(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#setmydescription"""
    state.descriptions[arguments.text("language_code")] = arguments.text("description")
    return True


async def set_my_short_description(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#setmyshortdescription"""
    state.short_descriptions[arguments.text("language_code")] = arguments.text("short_description")
    return True


async def answer_callback_query(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#answercallbackquery"""
    query_id, text = arguments.text("callback_query_id"), arguments.text("text")
    if state.queries.get(query_id, True):
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if len(text) > _ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    state.queries[query_id] = True
    state.publish(Answered(query_id=query_id, text=text, alert=arguments.flag("show_alert")))
    return True


async def get_file(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getfile"""
    file = state.file(arguments.text("file_id"))
    if file.size > _DOWNLOAD_LIMIT:
        raise bad_request("file is too big")
    return file_json(file) | {"file_path": f"files/{file.file_id}"}


async def get_chat(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getchat"""
    chat = state.chat(arguments.text("chat_id"))
    return chat_json(chat) | {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(
            (
                "unlimited_gifts",
                "limited_gifts",
                "unique_gifts",
                "premium_subscription",
                "gifts_from_channels",
            ),
            False,
        ),
    }


async def get_chat_member(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getchatmember"""
    chat = state.chat(arguments.text("chat_id"))
    person = state.people.get(arguments.integer("user_id"))
    if person is None:
        raise bad_request("user not found")
    status = chat.bot_status if person == state.bot else chat.ranks.get(person.id, "member")
    return member_json(person, status)


async def leave_chat(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#leavechat"""
    open_chat(state, arguments).bot_status = "left"
    return True


def _menu(arguments: Arguments) -> tuple[str, str]:
    return arguments.text("scope") or _DEFAULT_SCOPE, arguments.text("language_code")

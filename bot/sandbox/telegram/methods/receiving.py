"""The Bot API's methods that receive updates, answer callback queries and set the bot's menu."""

import re

from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.events import CallbackAnswered, MenuChanged
from bot.sandbox.telegram.serializers import Json, user_json
from bot.sandbox.telegram.state import State
from bot.sandbox.telegram.webhook import Webhook

_MENU_LIMIT = 100  # commands
_DESCRIPTION_LIMIT = 256  # characters
_ANSWER_LIMIT = 200  # characters
_POLL_LIMIT = 100  # updates
_CONNECTIONS = 40  # of a webhook, by default
_CONNECTION_LIMIT = 100
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


async def set_webhook(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#setwebhook"""
    if not arguments.text("url"):
        return await delete_webhook(state, arguments)
    connections = min(max(arguments.integer("max_connections", _CONNECTIONS), 1), _CONNECTION_LIMIT)
    if arguments.flag("drop_pending_updates"):
        state.updates.drop()
    if (allowed := arguments.structure("allowed_updates")) is not None:
        state.updates.allowed = list(allowed)
    await state.webhook.set(
        Webhook(
            url=arguments.text("url"),
            secret_token=arguments.text("secret_token"),
            max_connections=connections,
        )
    )
    return True


async def delete_webhook(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#deletewebhook"""
    if arguments.flag("drop_pending_updates"):
        state.updates.drop()
    await state.webhook.delete()
    return True


async def get_webhook_info(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getwebhookinfo"""
    info: Json = {
        "url": state.updates.webhook_url,
        "has_custom_certificate": False,
        "pending_update_count": state.updates.waiting,
    }
    if state.webhook.last_error is not None:
        info["last_error_date"], info["last_error_message"] = state.webhook.last_error
    if state.webhook.webhook is not None:
        info |= {"max_connections": state.webhook.webhook.max_connections, "ip_address": "127.0.0.1"}
    if state.updates.allowed:
        info["allowed_updates"] = state.updates.allowed
    return info


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
    scope = arguments.text("scope") or _DEFAULT_SCOPE
    state.commands[scope, arguments.text("language_code")] = commands
    state.publish(MenuChanged())
    return True


async def answer_callback_query(state: State, arguments: Arguments) -> bool:
    """https://core.telegram.org/bots/api#answercallbackquery"""
    query_id, text = arguments.text("callback_query_id"), arguments.text("text")
    if state.queries.get(query_id, True):
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if len(text) > _ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    state.queries[query_id] = True
    state.publish(CallbackAnswered(query_id=query_id, text=text, is_alert=arguments.flag("show_alert")))
    return True

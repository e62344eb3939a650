"""The Bot API's methods about a chat's members."""

from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.arguments import Arguments
from bot.sandbox.telegram.methods.sending import open_chat
from bot.sandbox.telegram.serializers import Json, member_json
from bot.sandbox.telegram.state import State


async def get_chat_administrators(state: State, arguments: Arguments) -> list[Json]:
    """https://core.telegram.org/bots/api#getchatadministrators"""
    chat = open_chat(state, arguments)
    if chat.type == "private":
        raise bad_request("there are no administrators in the private chat")
    bot = [member_json(state.bot, "administrator")] if chat.bot_status == "administrator" else []
    return [*bot, *(member_json(state.users[user_id], "administrator") for user_id in sorted(chat.admins))]


async def get_chat_member(state: State, arguments: Arguments) -> Json:
    """https://core.telegram.org/bots/api#getchatmember; every user who is no admin is a member."""
    chat, user = open_chat(state, arguments), state.users.get(arguments.integer("user_id"))
    if user is None:
        raise bad_request("user not found")
    return member_json(user, "administrator" if user.id in chat.admins else "member")

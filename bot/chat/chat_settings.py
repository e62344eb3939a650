"""/settings: shows what the chat has chosen, and lets its admins choose by buttons."""

import logging

from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.chat.rights import Verdict
from bot.logs import log_fields
from bot.messages.views import chat_settings as view
from bot.messages.views import replies

log = logging.getLogger(__name__)

_FOR_ADMINS = "settings.for_admins"


async def settings(context: Context, _: TypedCommand) -> None:
    """/settings, for those who may manage the chat."""
    language = await context.language()
    verdict = await context.may_manage()
    if verdict is Verdict.ALLOWED:
        chosen = await context.deps.service.chat_settings(context.message.chat_id)
        context.reply(view.chat_settings(chosen, language=language))
    else:
        key = "rights.unknown" if verdict is Verdict.UNKNOWN else _FOR_ADMINS
        context.reply(replies.sentence(key, language=language))


async def choose(press: Press, choice: view.Choice) -> Bubble:
    """Save a choice, and show it in the message."""
    if press.message is None:
        return press.bubble("button.stale")
    if refused := await press.refused(_FOR_ADMINS):
        return refused
    service = press.deps.service
    before = await service.chat_settings(press.chat_id)
    chosen = choice.applied(before)
    if chosen != before:
        await service.save_chat_settings(press.chat_id, chosen)
        log.info(
            "Chat %d: user %d changed a setting: %s",
            press.chat_id,
            press.user_id,
            choice,
            extra=log_fields(None, "setting_changed", chat_id=press.chat_id, user_id=press.user_id),
        )
    press.edit(view.chat_settings(chosen, language=await press.context.language()))
    return press.bubble("settings.saved")


HANDLERS: tuple[AnyButtonHandler, ...] = tuple(
    ButtonHandler(data=each, handle=choose, writes=True) for each in view.CHOICES
)

"""/settings: shows what the chat has chosen, and lets its admins choose by buttons."""

import logging

from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.chat.rights import Verdict
from bot.logs import log_fields
from bot.messages.callback_data import ChooseSetting
from bot.messages.views import chat_settings as view
from bot.messages.views import replies

log = logging.getLogger(__name__)

_FOR_ADMINS = "settings.for_admins"


async def settings(context: Context, _: TypedCommand) -> None:
    """/settings, for those who may manage the chat."""
    language = await context.language()
    verdict = await context.may_manage()
    if verdict is Verdict.ALLOWED:
        context.reply(view.chat_settings(await context.chat_settings(), language=language))
    else:
        context.reply(replies.sentence(verdict.reason(_FOR_ADMINS), language=language))


async def choose(press: Press, choice: ChooseSetting) -> Bubble:
    """Save a choice, and show it in the message."""
    if press.message is None:
        return press.bubble("button.stale")
    if refused := await press.refused(_FOR_ADMINS):
        return refused
    before = await press.context.chat_settings()
    chosen = view.applied(choice, before)
    if chosen is None:
        return press.bubble("button.stale")
    if chosen != before:
        await press.deps.service.save_chat_settings(press.chat_id, chosen)
        log.info(
            "User %d set %s to %s in chat %d",
            press.user_id,
            choice.setting,
            choice.value,
            press.chat_id,
            extra=log_fields(
                None,
                "setting_changed",
                chat_id=press.chat_id,
                user_id=press.user_id,
                setting=str(choice.setting),
                value=str(choice.value),
            ),
        )
    language = chosen.language or await press.context.auto_language()
    press.edit(view.chat_settings(chosen, language=language))
    return press.bubble("settings.saved")


HANDLERS: tuple[AnyButtonHandler, ...] = (ButtonHandler(data=ChooseSetting, handle=choose, writes=True),)

"""The buttons under the messages about a task."""

from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import CheckNow, SendAgain


async def send_again(press: Press, data: SendAgain) -> Bubble:
    """Deliver a result again that Telegram did not confirm."""
    accepted = await press.deps.service.send_again(data.watch_id, press.chat_id)
    return press.bubble("result.sending_again" if accepted else "result.not_again")


async def check_now(press: Press, data: CheckNow) -> Bubble:
    """Poll the task now."""
    accepted = await press.deps.service.check_again(data.watch_id, press.chat_id)
    return press.bubble("stall.checking" if accepted else "stall.not_checked")


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=SendAgain, handle=send_again, writes=True),
    ButtonHandler(data=CheckNow, handle=check_now, writes=True),
)

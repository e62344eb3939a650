"""/history: shows what has ended in the chat, in pages, and sends its videos again."""

from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import HistoryPage, SendCopy
from bot.messages.keyboards import bounded_page
from bot.messages.view import View
from bot.messages.views import history as view
from storage.models import DeliveryKind
from storage.outbox import CopyRequest


async def history(context: Context, _: TypedCommand) -> None:
    """/history."""
    context.reply(await _page(context, HistoryPage()))


async def turn(press: Press, wanted: HistoryPage) -> Bubble:
    """Show another page or filter in the same message."""
    if press.message is None:
        return press.bubble("button.stale")
    if refused := await press.refused_in_channel():
        return refused
    press.edit(await _page(press.context, wanted))
    return Bubble()


async def send_copy(press: Press, data: SendCopy) -> Bubble:
    """Send a video of the chat again, once per press."""
    if refused := await press.refused_in_channel():
        return refused
    request = CopyRequest(
        watch_id=data.watch_id, chat_id=press.chat_id, kind=DeliveryKind.COPY, press=press.query.id
    )
    accepted = await press.deps.service.send_copy(request)
    return press.bubble("result.sending_again" if accepted else "result.not_again")


async def _page(context: Context, wanted: HistoryPage) -> View:
    deps, language = context.deps, await context.language()
    names = deps.catalog.names
    shown = HistoryPage(
        page=bounded_page(wanted.page),
        ending=wanted.ending,
        provider=wanted.provider if wanted.provider in names else None,
    )
    found = await deps.service.history(
        context.message.chat_id,
        ending=shown.ending,
        provider=shown.provider,
        offset=shown.page * view.PAGE,
        limit=view.PAGE + 1,
    )
    return view.history(found, shown, names, language=language)


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=HistoryPage, handle=turn),
    ButtonHandler(data=SendCopy, handle=send_copy, writes=True),
)

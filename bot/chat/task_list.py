"""/tasks: lists what the chat watches, in pages whose buttons edit it in place."""

from bot.chat import task_buttons
from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.press import AnyButtonHandler, Bubble, ButtonHandler, Press
from bot.messages.callback_data import Stop, StopListed, TasksPage
from bot.messages.view import View
from bot.messages.views import replies, task_list


async def tasks(context: Context, _: TypedCommand) -> None:
    """/tasks."""
    context.reply(await _page(context, TasksPage(page=0)))


async def turn(press: Press, asked: TasksPage) -> Bubble:
    """Show another page, or the same with another filter."""
    if press.message is None:
        return press.bubble("button.stale")
    if refused := await press.refused_in_channel():
        return refused
    press.edit(await _page(press.context, asked))
    return Bubble()


async def stop(press: Press, data: StopListed) -> Bubble:
    """Stop an entry's watch, and show the page without it."""
    bubble = await task_buttons.stop(press, Stop(watch_id=data.watch_id))
    if not bubble.is_alert:
        await turn(press, TasksPage(page=data.page, status=data.status, provider=data.provider))
    return bubble


async def _page(context: Context, asked: TasksPage) -> View:
    """A page of what the chat watches, or how to begin if it watches nothing."""
    deps, language = context.deps, await context.language()
    active = await deps.service.active(context.chat_id)
    if not active:
        return replies.with_example("tasks.none", deps.catalog.names, language=language)
    return task_list.page(
        active,
        asked,
        language=language,
        thread_id=context.thread_id,
        now=deps.clock(),
        problem_of=deps.problem_of,
    )


HANDLERS: tuple[AnyButtonHandler, ...] = (
    ButtonHandler(data=TasksPage, handle=turn),
    ButtonHandler(data=StopListed, handle=stop, writes=True),
)

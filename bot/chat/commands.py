"""The commands: each handler validates the arguments, calls the service and sends one reply."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.chat import access_buttons, chat_settings, history, task_list
from bot.chat.arguments import left_out, reply_together, valid_ids
from bot.chat.context import Context
from bot.chat.parsing import TypedCommand
from bot.chat.watch_command import watch
from bot.drawing.renderer import DrawingFailed
from bot.health.single_call import SingleCall
from bot.logs import log_fields
from bot.messages.view import View
from bot.messages.views import cards, health_status, replies
from bot.messages.views import stats as stats_views
from bot.providers.catalog import Catalog, CatalogError
from bot.providers.registry import KINDS
from bot.watching.service import COMMAND_S
from storage.errors import StoreError
from storage.watches import WatchedTask

log = logging.getLogger(__name__)

_LANGUAGE_S = 2.0  # to read the chat's language


async def status(context: Context, typed: TypedCommand) -> None:
    """/status [id …]: requests a poll and waits up to COMMAND_S for its result."""
    language, deps = await context.language(), context.deps
    ids, notes = await _requested(context, typed, language)
    found = await deps.service.poll_now(
        context.message.chat_id,
        ids,
        thread_id=context.thread_id,
        timeout_s=context.remaining_s(COMMAND_S),
    )
    if len(found) == 1:
        notes.insert(0, cards.status(found[0], language=language, now=deps.clock()))
    elif found:
        notes.insert(0, cards.statuses(found, language=language, now=deps.clock()))
    reply_together(context, [*notes, *_not_watched(ids, found, language)])


async def unwatch(context: Context, typed: TypedCommand) -> None:
    """/unwatch [id …]."""
    language = await context.language()
    ids, notes = await _requested(context, typed, language)
    active = await context.deps.service.active_of_ids(context.chat_id, ids, thread_id=context.thread_id)
    allowed, verdict = await context.may_stop(active)
    stopped = await context.stop(allowed)
    if refused := [each for each in active if each not in allowed]:
        why = verdict.reason("rights.stop")
        notes.insert(0, replies.not_stopped(_ids_of(refused), why, language=language))
    if stopped:
        notes.insert(0, replies.stopped(_ids_of(stopped), language=language))
    reply_together(context, [*notes, *_not_watched(ids, [*stopped, *refused], language)])


async def providers(context: Context, _: TypedCommand) -> None:
    """/providers."""
    catalog = context.deps.catalog
    configured = [
        replies.Configured(
            name=each.name,
            kind=each.kind,
            host=f"{each.host}{each.path}",
            also_typed=tuple(
                word
                for word in (each.kind, *KINDS[each.kind])
                if word != each.name and _resolve(catalog, word) == each.name
            ),
        )
        for each in catalog
    ]
    context.reply(replies.providers(configured, language=await context.language()))


async def help_(context: Context, _: TypedCommand) -> None:
    """/help and /start."""
    context.reply(replies.help_text(context.deps.catalog.example_ids, language=await context.language()))


async def health(context: Context, _: TypedCommand) -> None:
    """/health, for admins."""
    context.reply(health_status.health(await context.deps.health(), language=await _language(context)))


async def _language(context: Context) -> str:
    """The language of the reply, also while the database that knows it does not respond."""
    try:
        return await SingleCall(context.language).result(timeout_s=_LANGUAGE_S)
    except (StoreError, TimeoutError):
        return context.personal_language


async def stats(context: Context, _: TypedCommand) -> None:
    """/stats, for admins: a picture with a caption, or the caption alone if it can't be drawn."""
    language, deps = await context.language(), context.deps
    counts, usage = await deps.service.stats(), await deps.service.usage(deps.stats_days)
    caption = stats_views.caption(counts, usage, language=language)
    try:
        png = await deps.draw(stats_views.picture(counts, usage, language=language, now=deps.clock()))
    except DrawingFailed as error:
        log.warning("%s", error, extra=log_fields(None, "picture_failed"))
        context.reply(caption)
    else:
        context.reply_with_photo(png, caption)


async def _requested(context: Context, typed: TypedCommand, language: str) -> tuple[list[str], list[View]]:
    """The ids in the arguments, else the chat's only active watch; and notes about the other arguments."""
    words = [word for word in typed.arguments if not _resolve(context.deps.catalog, word)]
    skipped = left_out(typed, language)
    if words:
        ids, notes = valid_ids(context, words, language)
        return ids, [*notes, *skipped]
    active = await context.deps.service.active(context.message.chat_id)
    here = [each for each in active if each.watch.thread_id == context.thread_id] or active
    ids = _ids_of(here)
    if len(ids) > 1:
        return [], [replies.which_one(ids, command=typed.name, language=language), *skipped]
    if not ids:
        names = context.deps.catalog.names
        skipped.insert(0, replies.with_example("tasks.none", names, language=language))
    return ids, skipped


def _not_watched(ids: Sequence[str], found: Sequence[WatchedTask], language: str) -> list[View]:
    missing = [each for each in ids if each not in _ids_of(found)]
    return [replies.not_watched(missing, language=language)] if missing else []


def _ids_of(found: Iterable[WatchedTask]) -> list[str]:
    return list(dict.fromkeys(each.task.ref.external_id for each in found))


def _resolve(catalog: Catalog, word: str) -> str | None:
    """The provider that a word names; None if it names none or several."""
    try:
        return catalog.resolve(word)
    except CatalogError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, who may use it, and whether it changes the database."""

    name: str
    handler: Callable[[Context, TypedCommand], Awaitable[None]]
    for_admins: bool = False
    for_chat_admins: bool = False  # in groups, only their admins see it in the menu
    writes: bool = False


COMMANDS = (
    Command(name="watch", handler=watch, writes=True),
    Command(name="tasks", handler=task_list.tasks),
    Command(name="history", handler=history.history),
    Command(name="status", handler=status),
    Command(name="unwatch", handler=unwatch, writes=True),
    Command(name="settings", handler=chat_settings.settings, for_chat_admins=True),
    Command(name="providers", handler=providers),
    Command(name="help", handler=help_),
    Command(name="start", handler=help_),
    Command(name="health", handler=health, for_admins=True),
    Command(name="stats", handler=stats, for_admins=True),
    Command(name="chats", handler=access_buttons.chats, for_admins=True),
)
BY_NAME = {command.name: command for command in COMMANDS}

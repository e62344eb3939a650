"""The commands: take what was typed, ask the service, reply with one message that says what came of it."""

from collections.abc import Iterable, Sequence

from bot.chat.context import IDS_OF_A_MESSAGE, Context
from bot.chat.parsing import TypedCommand
from bot.messages import answers, views
from bot.messages.view import View
from bot.providers.catalog import Catalog, CatalogError, NotConfigured, SeveralFit
from bot.providers.ids import valid_id
from bot.providers.kinds import KINDS
from bot.watching.service import COMMAND_S
from storage.errors import WatchLimitReached
from storage.models import TaskRef, WatchedTask, WatchRequest


async def watch(context: Context, typed: TypedCommand) -> None:
    """/watch provider id [id …]: the cards that follow are the answer for those that are new."""
    language, catalog = await context.language(), context.door.catalog
    if not typed.words:
        notes = [answers.with_example("watch.usage", catalog.names, language=language)]
        _reply(context, [*notes, *_left_out(typed, language)])
        return
    word, *ids = typed.words
    try:
        provider = catalog.resolve(word)
    except CatalogError as error:
        context.reply(_no_provider(error, word, catalog=catalog, language=language))
        return
    taken, notes = _valid(context, ids, language)
    known, refused, limit = await _register(context, provider, taken, language)
    if len(known) == 1:
        view = views.already(known[0], language=language, now=context.door.clock())
        context.reply(view, to=known[0].watch.card_message_id)
    elif known:
        notes.insert(0, views.already_all(known, language=language, now=context.door.clock()))
    if limit is not None:
        notes.append(_limit_reached(limit, refused, language))
    if not ids:
        notes.append(answers.with_example("watch.no_id", (provider,), language=language))
    _reply(context, [*notes, *_left_out(typed, language)])


async def tasks(context: Context, _: TypedCommand) -> None:
    """/tasks."""
    language, door = await context.language(), context.door
    active = await door.service.active(context.message.chat_id)
    if active:
        view = views.tasks(
            active,
            language=language,
            thread_id=context.thread_id,
            now=door.clock(),
            problem_of=door.problem_of,
        )
    else:
        view = answers.with_example("tasks.none", door.catalog.names, language=language)
    context.reply(view)


async def status(context: Context, typed: TypedCommand) -> None:
    """/status [id …]: polls now, which may take some seconds."""
    language, door = await context.language(), context.door
    ids, notes = await _named(context, typed, language)
    found = await door.service.poll_now(
        context.message.chat_id,
        ids,
        thread_id=context.thread_id,
        patience_s=context.remaining_s(COMMAND_S),
    )
    if len(found) == 1:
        notes.insert(0, views.status(found[0], language=language, now=door.clock()))
    elif found:
        notes.insert(0, views.statuses(found, language=language, now=door.clock()))
    _reply(context, [*notes, *_not_watched(ids, found, language)])


async def unwatch(context: Context, typed: TypedCommand) -> None:
    """/unwatch [id …]."""
    language, service = await context.language(), context.door.service
    ids, notes = await _named(context, typed, language)
    stopped = await service.stop(context.message.chat_id, ids, thread_id=context.thread_id)
    context.door.audit.stopped(context.message.chat_id, context.user_id, stopped)
    if stopped:
        notes.insert(0, answers.stopped(_ids_of(stopped), language=language))
    _reply(context, [*notes, *_not_watched(ids, stopped, language)])


async def providers(context: Context, _: TypedCommand) -> None:
    """/providers."""
    catalog = context.door.catalog
    configured = [
        answers.Configured(
            name=each.name,
            kind=each.kind,
            host=each.host,
            also_typed=_also_typed(catalog, each.name, each.kind),
        )
        for each in catalog
    ]
    context.reply(answers.providers(configured, language=await context.language()))


async def help_(context: Context, _: TypedCommand) -> None:
    """/help and /start."""
    context.reply(answers.help_text(context.door.catalog.names, language=await context.language()))


async def health(context: Context, _: TypedCommand) -> None:
    """/health, for admins."""
    context.reply(answers.health(await context.door.health()))


async def stats(context: Context, _: TypedCommand) -> None:
    """/stats, for admins."""
    found = await context.door.service.stats()
    context.reply(answers.stats(found, language=await context.language()))


async def _register(
    context: Context, provider: str, ids: Sequence[str], language: str
) -> tuple[list[WatchedTask], int, WatchLimitReached | None]:
    """Watch these ids: those that were watched already, how many a limit refused, and the limit."""
    begun: list[WatchedTask] = []
    known: list[WatchedTask] = []
    refused, limit = 0, None
    try:
        for external_id in ids:
            try:
                watched = await context.door.service.watch(_request(context, provider, external_id, language))
            except WatchLimitReached as error:
                refused, limit = refused + 1, error
            else:
                (begun if watched.is_new else known).append(watched)
    finally:  # what was begun is on disk, whatever becomes of the rest
        context.door.audit.asked(context.message.chat_id, context.user_id, begun)
    return known, refused, limit


async def _named(context: Context, typed: TypedCommand, language: str) -> tuple[list[str], list[View]]:
    """The ids that a command names, or the only one that is watched; and what is wrong with the rest."""
    words = [word for word in typed.words if not _meant(context.door.catalog, word)]
    left_out = _left_out(typed, language)
    if words:
        ids, notes = _valid(context, words, language)
        return ids, [*notes, *left_out]
    active = await context.door.service.active(context.message.chat_id)
    here = [each for each in active if each.watch.thread_id == context.thread_id] or active
    ids = _ids_of(here)
    if len(ids) > 1:
        return [], [answers.which_one(ids, command=typed.name, language=language), *left_out]
    if not ids:
        names = context.door.catalog.names
        left_out.insert(0, answers.with_example("tasks.none", names, language=language))
    return ids, left_out


def _valid(context: Context, words: Sequence[str], language: str) -> tuple[list[str], list[View]]:
    """Those of the words that may be ids, as many as a message may name; and what is wrong with the rest."""
    notes = []
    taken, is_cut = context.take_ids([word for word in words if valid_id(word)])
    if bad := [word for word in words if not valid_id(word)]:
        notes.append(answers.bad_ids(bad, language=language))
    if is_cut:
        notes.append(answers.first_ids_only(IDS_OF_A_MESSAGE, language=language))
    return taken, notes


def _reply(context: Context, parts: Sequence[View]) -> None:
    """One message for all that there is to say, if there is anything."""
    if parts:
        context.reply(answers.summary(parts))


def _left_out(typed: TypedCommand, language: str) -> list[View]:
    return [answers.left_out(typed.left_out, language=language)] if typed.left_out else []


def _not_watched(ids: Sequence[str], found: Sequence[WatchedTask], language: str) -> list[View]:
    missing = [each for each in ids if each not in _ids_of(found)]
    return [answers.not_watched(missing, language=language)] if missing else []


def _ids_of(found: Iterable[WatchedTask]) -> list[str]:
    return list(dict.fromkeys(each.task.ref.external_id for each in found))


def _limit_reached(limit: WatchLimitReached, refused: int, language: str) -> View:
    return answers.limit_reached(
        limit.limit, refused=refused, is_personal=limit.is_personal, language=language
    )


def _request(context: Context, provider: str, external_id: str, language: str) -> WatchRequest:
    return WatchRequest(
        ref=TaskRef(provider=provider, external_id=external_id),
        chat_id=context.message.chat_id,
        thread_id=context.thread_id,
        message_id=context.message.message_id,
        user_id=context.user_id,
        language=language,
    )


def _no_provider(error: CatalogError, word: str, *, catalog: Catalog, language: str) -> View:
    match error:
        case SeveralFit():
            return answers.several_fit(word, error.names, language=language)
        case NotConfigured():
            return answers.not_configured(error.kind, catalog.names, language=language)
        case _:
            return answers.unknown_provider(word, catalog.names, language=language)


def _meant(catalog: Catalog, word: str) -> str | None:
    """The provider that a word means, if it means exactly one."""
    try:
        return catalog.resolve(word)
    except CatalogError:
        return None


def _also_typed(catalog: Catalog, name: str, kind: str) -> tuple[str, ...]:
    return tuple(word for word in (kind, *KINDS[kind]) if word != name and _meant(catalog, word) == name)

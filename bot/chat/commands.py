"""The commands: read what was typed, ask the service, look at what came, reply."""

from telegram import Update
from telegram.constants import ChatType

from bot.chat.context import Context
from bot.messages import answers, views
from bot.messages.view import View
from bot.providers.catalog import Catalog, CatalogError, NotConfigured, SeveralFit
from bot.providers.ids import valid_id
from bot.providers.kinds import KINDS
from storage.models import TaskRef, WatchRequest


async def watch(_: Update, context: Context) -> None:
    """/watch provider id [id …]: the cards that follow are the answer for those that are new."""
    language, catalog = await context.language(), context.door.catalog
    if not context.words:
        await context.reply(answers.with_example("watch.usage", catalog.names, language=language))
        return
    word, *ids = context.words
    try:
        provider = catalog.resolve(word)
    except CatalogError as error:
        await context.reply(_no_provider(error, word, catalog=catalog, language=language))
        return
    requests = [
        _request(context, provider, external_id, language) for external_id in ids if valid_id(external_id)
    ]
    watched = [await context.door.service.watch(request) for request in requests]
    for known in (each for each in watched if not each.is_new):
        view = views.already(known, language=language, now=context.door.clock())
        await context.reply(view, to=known.watch.card_message_id)
    if not ids:
        await context.reply(answers.with_example("watch.no_id", (provider,), language=language))
    await _complain(context, ids, language)


async def tasks(_: Update, context: Context) -> None:
    """/tasks."""
    language, door = await context.language(), context.door
    active = await door.service.active(context.message.chat_id)
    if active:
        view = views.tasks(active, language=language, thread_id=context.thread_id, now=door.clock())
    else:
        view = answers.with_example("tasks.none", door.catalog.names, language=language)
    await context.reply(view)


async def status(_: Update, context: Context) -> None:
    """/status [id]: looks now, which may take some seconds."""
    language, door = await context.language(), context.door
    for external_id in await _named(context, "status", language):
        found = await door.service.look_now(context.message.chat_id, external_id, thread_id=context.thread_id)
        for watched in found:
            await context.reply(views.status(watched, language=language, now=door.clock()))
        if not found:
            await context.reply(answers.not_watched(external_id, language=language))


async def unwatch(_: Update, context: Context) -> None:
    """/unwatch [id]."""
    language, service = await context.language(), context.door.service
    for external_id in await _named(context, "unwatch", language):
        stopped = await service.stop(context.message.chat_id, external_id, thread_id=context.thread_id)
        view = answers.stopped if stopped else answers.not_watched
        await context.reply(view(external_id, language=language))


async def providers(_: Update, context: Context) -> None:
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
    await context.reply(answers.providers(configured, language=await context.language()))


async def help_(_: Update, context: Context) -> None:
    """/help and /start."""
    await context.reply(answers.help_text(context.door.catalog.names, language=await context.language()))


async def health(_: Update, context: Context) -> None:
    """/health, for admins."""
    await context.reply(answers.health(await context.door.health()))


async def stats(_: Update, context: Context) -> None:
    """/stats, for admins."""
    found = await context.door.service.stats()
    await context.reply(answers.stats(found, language=await context.language()))


async def stranger(_: Update, context: Context) -> None:
    """Anything from somebody who may not use the bot."""
    chat = context.message.chat
    language = await context.language()
    await context.reply(
        answers.stranger(chat.id, is_private=chat.type == ChatType.PRIVATE, language=language)
    )


async def unknown(_: Update, context: Context) -> None:
    """A command that there is none of, in a private chat."""
    await context.reply(answers.sentence("wrong.command", language=await context.language()))


async def chatter(_: Update, context: Context) -> None:
    """Text that is no command, in a private chat."""
    names = context.door.catalog.names
    await context.reply(answers.with_example("wrong.text", names, language=await context.language()))


async def _named(context: Context, command: str, language: str) -> list[str]:
    """The ids that a command names, or the only one that is watched; says what is wrong with the rest."""
    words = [word for word in context.words if not _meant(context.door.catalog, word)]
    if words:
        await _complain(context, words, language)
        return [word for word in words if valid_id(word)]
    active = await context.door.service.active(context.message.chat_id)
    here = [each for each in active if each.watch.thread_id == context.thread_id] or active
    ids = list(dict.fromkeys(each.task.ref.external_id for each in here))
    if len(ids) > 1:
        await context.reply(answers.which_one(ids, command=command, language=language))
        return []
    if not ids:
        await context.reply(answers.with_example("tasks.none", context.door.catalog.names, language=language))
    return ids


async def _complain(context: Context, words: list[str], language: str) -> None:
    bad = [word for word in words if not valid_id(word)]
    if bad:
        await context.reply(answers.bad_ids(bad, language=language))


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

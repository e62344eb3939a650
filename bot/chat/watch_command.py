"""/watch: a provider and ids, or anything that holds ids; in private chats the same without the command."""

import re
from collections.abc import Mapping, Sequence

from bot.chat.arguments import left_out, reply_together, valid_ids
from bot.chat.context import IDS_OF_A_MESSAGE, Context
from bot.chat.parsing import TypedCommand
from bot.chat.paste import Paste, links, read_paste, text_with_links
from bot.messages.view import View
from bot.messages.views import cards, replies
from bot.providers.catalog import Catalog, CatalogError, NotConfigured, SeveralFit, UnknownWord
from bot.providers.parsing.ids import valid_id
from storage.errors import WatchLimitReached
from storage.lookups import LookupRequest
from storage.models import TaskRef
from storage.watches import SMALLEST_BATCH, WatchRequest

_LABEL = re.compile(r"(?:(?:task|video|job|generation)[_-]?)?id|task|video|job", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_NAME = re.compile(r"[A-Za-z][A-Za-z_-]*")


async def watch(context: Context, typed: TypedCommand) -> None:
    """/watch: a new watch gets a card instead of a reply."""
    catalog, message = context.deps.catalog, context.message
    paste = read_paste(typed.text, catalog.id_formats)
    if not paste.has_ids:
        replied = message.reply_to_message if len(typed.arguments) <= 1 else None
        meant = text_with_links(replied) if replied else links(message)
        paste = read_paste(f"{typed.text}\n{meant}", catalog.id_formats)
    try:
        named = catalog.named(typed.arguments[0]) if typed.arguments else None
    except UnknownWord:
        named = None
    except NotConfigured:
        await _watch_typed(context, typed)
        return
    if paste.found.has_key or (paste.has_ids and not _is_name_and_ids(typed, paste, named)):
        await watch_pasted(context, paste, named)
    else:
        await _watch_typed(context, typed)


def _is_name_and_ids(typed: TypedCommand, paste: Paste, named: Sequence[str] | None) -> bool:
    """Whether it is `/watch provider id [id …]`, if need be with a provider or an id that is misspelt."""
    word, *ids = typed.arguments or ("",)
    valid = [each for each in ids if valid_id(each)]
    if not valid or not all(map(_DIGIT.search, valid)) or paste.found.cut_off:
        return False
    is_label = _LABEL.fullmatch(word) is not None or f"{word}:" in typed.text
    return named is not None or (valid == ids and _NAME.fullmatch(word) is not None and not is_label)


async def watch_pasted(context: Context, paste: Paste, named: Sequence[str] | None = None) -> None:
    """Watch the ids in a paste; one that several providers may know is looked up at each.

    named: the providers that were typed for all of them.
    """
    language, catalog = await context.language(), context.deps.catalog
    found, is_cut = context.take_ids(paste.found.ids)
    if catalog.names and paste.has_ids:
        fitting = {each.external_id: tuple(named or catalog.fitting(each, paste.words)) for each in found}
        unsure = {external_id: names for external_id, names in fitting.items() if len(names) > 1}
        if unsure and len(fitting) >= SMALLEST_BATCH:
            unsure = fitting  # one card for all of them
        sure = [
            TaskRef(provider=names[0], external_id=external_id)
            for external_id, names in fitting.items()
            if external_id not in unsure
        ]
        notes = [*await _watch_all(context, sure, language), *await _look_up(context, unsure, language)]
    else:
        notes = [replies.with_example("watch.usage", catalog.names, language=language)]
    if paste.found.cut_off:
        notes.append(replies.cut_off(paste.found.cut_off, language=language))
    if is_cut:
        notes.append(replies.first_ids_only(IDS_OF_A_MESSAGE, language=language))
    if paste.found.has_key:
        notes.append(replies.sentence("watch.has_key", language=language))
    reply_together(context, notes)


async def _watch_typed(context: Context, typed: TypedCommand) -> None:
    """Watch the ids of `/watch provider id [id …]`."""
    language, catalog = await context.language(), context.deps.catalog
    if not typed.arguments:
        notes = [replies.with_example("watch.usage", catalog.names, language=language)]
        reply_together(context, [*notes, *left_out(typed, language)])
        return
    word, *ids = typed.arguments
    try:
        provider = catalog.resolve(word)
    except CatalogError as error:
        context.reply(_no_provider(error, word, catalog=catalog, language=language))
        return
    valid, notes = valid_ids(context, ids, language)
    refs = [TaskRef(provider=provider, external_id=external_id) for external_id in valid]
    notes = [*await _watch_all(context, refs, language, notes), *left_out(typed, language)]
    if not ids:
        notes.append(replies.with_example("watch.no_id", (provider,), language=language))
    reply_together(context, notes)


async def _watch_all(
    context: Context, refs: Sequence[TaskRef], language: str, notes: Sequence[View] = ()
) -> list[View]:
    """Watch tasks; return the notes, with those about existing watches and about a limit."""
    asked_in = await context.auto_language()
    requests = [
        WatchRequest(
            ref=ref,
            chat_id=context.message.chat_id,
            thread_id=context.thread_id,
            message_id=context.message.message_id,
            user_id=context.user_id,
            user_name=context.actor_name,
            language=asked_in,
        )
        for ref in refs
    ]
    registration = await context.deps.service.watch_all(requests)
    started = [each for each in registration.watched if each.is_new]
    context.deps.audit.started(context.message.chat_id, context.user_id, started)
    known = [
        each
        for each in registration.watched
        # This message's own watch: Telegram has repeated the update.
        if not each.is_new and each.watch.request_message_id != context.message.message_id
    ]
    shown, now = list(notes), context.deps.clock()
    if len(known) == 1:
        context.reply(cards.already(known[0], language=language, now=now), to=known[0].watch.card_message_id)
    elif known:
        shown.insert(0, cards.already_all(known, language=language, now=now))
    if limit := registration.limit:
        shown.append(
            replies.limit_reached(
                limit.limit,
                refused=registration.refused,
                is_personal=limit.is_personal,
                language=language,
            )
        )
    return shown


async def _look_up(context: Context, candidates: Mapping[str, tuple[str, ...]], language: str) -> list[View]:
    """Find out which provider knows each id; return a note if a limit refuses them."""
    if not candidates:
        return []
    message = context.message
    request = LookupRequest(
        candidates=candidates,
        chat_id=message.chat_id,
        thread_id=context.thread_id,
        message_id=message.message_id,
        user_id=context.user_id,
        user_name=context.actor_name,
        language=await context.auto_language(),
    )
    try:
        await context.deps.service.look_up(request)
        context.deps.audit.looked_up(request.chat_id, request.user_id, candidates)
    except WatchLimitReached as error:
        note = replies.limit_reached(
            error.limit, refused=len(candidates), is_personal=error.is_personal, language=language
        )
        return [note]
    return []


def _no_provider(error: CatalogError, word: str, *, catalog: Catalog, language: str) -> View:
    match error:
        case SeveralFit():
            return replies.several_fit(word, error.names, language=language)
        case NotConfigured():
            return replies.not_configured(error.kind, catalog.names, language=language)
        case _:
            return replies.unknown_provider(word, catalog.names, language=language)

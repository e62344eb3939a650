"""The message of /history: what has ended in the chat, in pages."""

from collections.abc import Sequence
from dataclasses import replace

from bot.messages import lines
from bot.messages.callback_data import HistoryPage, SendCopy
from bot.messages.keyboards import MOST_CHOICES, filters, in_rows, turning
from bot.messages.limits import NAME_UNITS, cut, escape_line
from bot.messages.quantities import moment
from bot.messages.translate import t
from bot.messages.view import Button, View
from storage.models import TaskStatus
from storage.watches import Ending, WatchedTask, WatchState

PAGE = 5  # watches
_ID_UNITS = 300  # five of the longest fit into a message
_LABEL_UNITS = 24
_AGAIN_PER_ROW = 2  # buttons
_PROVIDERS_PER_ROW = 4


def history(found: Sequence[WatchedTask], shown: HistoryPage, names: Sequence[str], *, language: str) -> View:
    """A page: found is what it shows, and one more if there are older ones. names: of providers."""
    numbered = list(enumerate(found[:PAGE], start=1))
    if numbered:
        texts = [f"{number}. {_entry(each, language)}" for number, each in numbered]
    else:
        is_filtered = shown.ending is not None or shown.provider is not None
        texts = [t(language, "history.none_fits" if is_filtered else "history.none")]
    again = [
        Button(
            label=f"🔁 {t(language, 'result.send_again')} · {number}",
            action=SendCopy(watch_id=each.watch.id).pack(),
        )
        for number, each in numbered
        if each.watch.state is WatchState.FINISHED and each.task.status is TaskStatus.SUCCEEDED
    ]
    pages = shown.page + (2 if len(found) > PAGE else 1)
    endings = {each: t(language, f"history.endings.{each}") for each in Ending}
    providers = {name: cut(name, _LABEL_UNITS) for name in names[:MOST_CHOICES]} if len(names) > 1 else {}
    rows = (
        *in_rows(again, _AGAIN_PER_ROW),
        *turning(shown.page, pages, lambda page: replace(shown, page=page), is_counted=False),
        tuple(filters(endings, shown.ending, lambda ending: replace(shown, page=0, ending=ending))),
        *in_rows(
            filters(providers, shown.provider, lambda name: replace(shown, page=0, provider=name)),
            _PROVIDERS_PER_ROW,
        ),
    )
    title = t(language, "history.title" if shown.page == 0 else "history.page", page=shown.page + 1)
    return View(text=lines.join_lines([title, *texts]), buttons=rows)


def _entry(watched: WatchedTask, language: str) -> str:
    """Two lines: what it was; how it ended, how long it took, when, and who asked."""
    watch = watched.watch
    facts = [
        lines.status_line(watched, language=language, now=watch.ended_at or watch.created_at),
        moment(watch.ended_at) if watch.ended_at else None,
        escape_line(watch.user_name, NAME_UNITS) if watch.user_name else None,
    ]
    return f"{lines.title(watched, _ID_UNITS)}\n{lines.join_dots(facts)}"

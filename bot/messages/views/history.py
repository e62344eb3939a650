"""The message of /history: what has ended in the chat, in pages."""

from collections.abc import Sequence
from dataclasses import replace

from bot.messages import lines
from bot.messages.callback_data import OpenHistory, SendCopy
from bot.messages.keyboards import in_rows
from bot.messages.limits import NAME_UNITS, cut, escape_line
from bot.messages.quantities import moment
from bot.messages.translate import t
from bot.messages.view import Button, View
from storage.models import Ending, TaskStatus, WatchedTask, WatchState

PAGE = 5  # watches
_ID_UNITS = 300  # five of the longest fit into a message
_LABEL_UNITS = 24
_PER_ROW = 2


def history(found: Sequence[WatchedTask], shown: OpenHistory, names: Sequence[str], *, language: str) -> View:
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
    rows = [
        *in_rows(again, _PER_ROW),
        _pages(shown, has_older=len(found) > PAGE, language=language),
        _endings(shown, language),
        _providers(shown, names, language),
    ]
    title = t(language, "history.title" if shown.page == 0 else "history.page", page=shown.page + 1)
    return View(text=lines.join_lines([title, *texts]), buttons=tuple(row for row in rows if row))


def _entry(watched: WatchedTask, language: str) -> str:
    """Two lines: what it was; how it ended, how long it took, when, and who asked."""
    task, watch = watched.task, watched.watch
    icon = lines.STOPPED_ICON if watch.state is WatchState.STOPPED else lines.ICONS[task.status]
    shown_id = f"<code>{escape_line(task.ref.external_id, _ID_UNITS)}</code>"
    facts = [
        lines.status_line(watched, language=language, now=watch.ended_at or watch.created_at),
        moment(watch.ended_at) if watch.ended_at else None,
        escape_line(watch.user_name, NAME_UNITS) if watch.user_name else None,
    ]
    return f"{icon} {lines.join_dots([lines.provider(task), shown_id])}\n{lines.join_dots(facts)}"


def _pages(shown: OpenHistory, *, has_older: bool, language: str) -> tuple[Button, ...]:
    row = []
    if shown.page:
        newer = replace(shown, page=shown.page - 1)
        row.append(Button(label=f"◀ {t(language, 'history.newer')}", action=newer.pack()))
    if has_older:
        older = replace(shown, page=shown.page + 1)
        row.append(Button(label=f"{t(language, 'history.older')} ▶", action=older.pack()))
    return tuple(row)


def _endings(shown: OpenHistory, language: str) -> tuple[Button, ...]:
    row = []
    for ending in (None, *Ending):
        label = t(language, f"history.endings.{ending or 'all'}")
        only = replace(shown, page=0, ending=ending)
        row.append(Button(label=f"✓ {label}" if ending == shown.ending else label, action=only.pack()))
    return tuple(row)


def _providers(shown: OpenHistory, names: Sequence[str], language: str) -> tuple[Button, ...]:
    """One button that goes from provider to provider; none where there is nothing to choose."""
    if len(names) <= 1:
        return ()
    choices = [None, *names]
    index = choices.index(shown.provider) if shown.provider in choices else 0
    name = t(language, "history.all_providers") if index == 0 else cut(names[index - 1], _LABEL_UNITS)
    following = replace(shown, page=0, provider=choices[(index + 1) % len(choices)])
    return (Button(label=f"{t(language, 'history.provider')}: {name} ▸", action=following.pack()),)

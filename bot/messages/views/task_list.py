"""The list of /tasks: a page of what a chat watches, with buttons that stop, turn pages and filter."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.messages import lines
from bot.messages.callback_data import ListedStatus, StopListed, TasksPage
from bot.messages.keyboards import filters, in_rows, turning
from bot.messages.limits import TEXT_UNITS, take_fitting
from bot.messages.translate import t
from bot.messages.view import Button, View
from bot.messages.views import cards
from storage.models import TaskStatus
from storage.watches import WatchedTask

PAGE = 8  # tasks
_FRAME_UNITS = 120  # reserved for the title and the line with the number of omitted entries
_PER_ROW = 4  # buttons
_PROVIDERS = 8  # offered as filters, those with the most tasks first


def page(
    active: Sequence[WatchedTask],
    asked: TasksPage,
    *,
    language: str,
    thread_id: int | None,
    now: datetime,
    problem_of: Callable[[str], str | None] = lambda _provider: None,
) -> View:
    """A page of the active watches, grouped by topic if there are several, this topic first.

    asked: a page beyond the last means the last; a filter that fits no task is left out.
    problem_of: why a provider's tasks can't be polled.
    """
    found = [each for each in active if _fits(each, asked)]
    if not found:
        asked, found = TasksPage(page=asked.page), list(active)
    ordered = sorted(found, key=lambda w: (w.watch.thread_id != thread_id, w.watch.thread_id or 0))
    pages = max(1, -(-len(ordered) // PAGE))
    asked = replace(asked, page=max(0, min(asked.page, pages - 1)))
    shown = ordered[asked.page * PAGE : (asked.page + 1) * PAGE]
    numbers = range(asked.page * PAGE + 1, asked.page * PAGE + 1 + len(shown))
    has_topics = {each.watch.thread_id for each in ordered} != {thread_id}
    entries = [_entry(each, language=language, now=now, problem_of=problem_of) for each in shown]
    if len(ordered) > 1:
        entries = [f"{number}. {entry}" for number, entry in zip(numbers, entries, strict=True)]
    if has_topics:
        entries = _under_headings(entries, shown, thread_id, language)
    fitting = take_fitting(entries, TEXT_UNITS - _FRAME_UNITS)
    left_out = len(entries) - len(fitting)
    more = [t(language, "tasks.more", number=left_out)] if left_out else []
    stops = [
        _stop(each, asked, language=language, number=number if len(ordered) > 1 else None)
        for each, number in zip(shown, numbers, strict=True)
    ]
    return View(
        text=lines.join_lines([t(language, "tasks.title", count=len(ordered)), *fitting, *more]),
        buttons=(
            *in_rows(stops, _PER_ROW),
            *turning(asked.page, pages, lambda number: replace(asked, page=number)),
            *(_filters(active, asked, language) if len(active) > PAGE else ()),
        ),
    )


def _fits(watched: WatchedTask, asked: TasksPage) -> bool:
    is_status = asked.status is None or asked.status is _listed_status(watched)
    return is_status and asked.provider in {None, watched.task.ref.provider}


def _listed_status(watched: WatchedTask) -> ListedStatus:
    is_running = watched.task.status is TaskStatus.RUNNING
    return ListedStatus.RUNNING if is_running else ListedStatus.QUEUED


def _entry(
    watched: WatchedTask, *, language: str, now: datetime, problem_of: Callable[[str], str | None]
) -> str:
    entry = cards.entry(watched, language=language, now=now)
    if stall := lines.stall(watched, language):
        return f"{entry}\n{stall}"
    if problem := problem_of(watched.task.ref.provider):
        return f"{entry}\n{lines.gateway_problem(watched.task, problem, language, now=now)}"
    return entry


def _under_headings(
    entries: Sequence[str], shown: Sequence[WatchedTask], thread_id: int | None, language: str
) -> list[str]:
    """The entries, the first of each topic with the topic's heading."""
    headed: list[str] = []
    for index, (entry, watched) in enumerate(zip(entries, shown, strict=True)):
        topic = watched.watch.thread_id
        if index and topic == shown[index - 1].watch.thread_id:
            headed.append(entry)
            continue
        key = "general" if topic is None else "here" if topic == thread_id else "topic"
        headed.append(f"<b>{t(language, f'tasks.{key}', topic=topic)}</b>\n{entry}")
    return headed


def _stop(watched: WatchedTask, asked: TasksPage, *, language: str, number: int | None) -> Button:
    """number: of the entry; None: it is the only one."""
    data = StopListed(
        watch_id=watched.watch.id, page=asked.page, status=asked.status, provider=asked.provider
    )
    word = t(language, "button.stop")
    return Button(label=f"⏹ {word}" if number is None else f"⏹ {word} {number}", action=data.pack())


def _filters(active: Sequence[WatchedTask], asked: TasksPage, language: str) -> Iterable[tuple[Button, ...]]:
    """A row by status and rows by provider, where there are several."""
    statuses = sorted({_listed_status(each) for each in active})
    if len(statuses) > 1:
        labels = {each: t(language, f"status.{each.task_status}") for each in statuses}
        yield tuple(filters(labels, asked.status, lambda status: replace(asked, page=0, status=status)))
    names = [each.task.ref.provider for each in active]
    providers = sorted(set(names), key=lambda name: (-names.count(name), name))[:_PROVIDERS]
    if len(providers) > 1:
        buttons = filters(
            {name: name for name in providers},
            asked.provider,
            lambda name: replace(asked, page=0, provider=name),
        )
        yield from in_rows(buttons, _PER_ROW)

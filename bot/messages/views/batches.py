"""The card of a batch: counts and a line for each task, and in the end the summary."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from bot.messages import lines
from bot.messages.keyboards import send_batch_again, stop_all
from bot.messages.limits import TEXT_UNITS, escape_line, take_fitting, utf16_len
from bot.messages.quantities import duration
from bot.messages.translate import t
from bot.messages.view import View
from storage.models import DeliveryState, Task, TaskStatus
from storage.watches import Batch, WatchedTask, WatchState

_ID_UNITS = (48, 20)  # tried in this order; longer ids are cut in the middle
_PROVIDER_UNITS = 20
_PROBLEMS = 3
_MORE_UNITS = 60  # reserved for the number of omitted lines


def is_over(watched: Sequence[WatchedTask]) -> bool:
    """Whether nothing is awaited any more, so that the card is the summary."""
    return all(each.watch.state.is_over or each.task.status.is_final for each in watched)


def card(
    batch: Batch,
    watched: Sequence[WatchedTask],
    *,
    problem_of: Callable[[str], str | None] = lambda _provider: None,
) -> View:
    """The message that shows the current state of a batch.

    problem_of: provider name → why its tasks can't be polled; None: they can.
    """
    over, language = is_over(watched), batch.language
    head = lines.join_dots([_counts(watched, language), _took(batch, watched) if over else None])
    problems = _problems(watched, language, problem_of)
    room = TEXT_UNITS - _MORE_UNITS - utf16_len(lines.join_lines([head, *problems]))
    entries: Sequence[str] = ()
    for id_units in _ID_UNITS:
        entries = _reasons(watched, language, id_units) if over else _states(watched, language, id_units)
        shown = take_fitting(entries, room)
        if len(shown) == len(entries):
            break
    left_out = len(entries) - len(shown)
    more = t(language, "tasks.more", number=left_out) if left_out else None
    buttons = (
        None if over else stop_all(batch),
        send_batch_again(batch) if any(map(_can_be_sent_again, watched)) else None,
    )
    row = tuple(button for button in buttons if button is not None)
    return View(text=lines.join_lines([head, *shown, more, *problems]), buttons=(row,) if row else ())


def _can_be_sent_again(each: WatchedTask) -> bool:
    """Whether its result did not arrive, or its task may be found now.

    The result of such a task is on its way: when it has arrived, the card is not edited again.
    """
    if each.watch.state is WatchState.STOPPED:
        return False
    is_undelivered = each.watch.result is not None and each.watch.result.is_undelivered
    return is_undelivered or (each.task.status.is_final and not each.task.status.is_permanent)


def _counts(watched: Sequence[WatchedTask], language: str) -> str:
    """How many are done, and how many are in which other state."""
    words = Counter(_word(each, language) for each in watched)
    done = words.pop(t(language, f"status.{TaskStatus.SUCCEEDED}"), 0)
    title = f"<b>{t(language, 'batch.done', done=done, number=len(watched))}</b>"
    return lines.join_dots([title, *(f"{word} {count}" for word, count in words.most_common())])


def _states(watched: Sequence[WatchedTask], language: str, id_units: int) -> list[str]:
    """A line for each task."""
    with_name = len({each.task.ref.provider for each in watched}) > 1
    return [
        f"{_icon(each)} {lines.join_dots([_name(each.task, id_units, with_name), _state(each, language)])}"
        for each in watched
    ]


def _reasons(watched: Sequence[WatchedTask], language: str, id_units: int) -> list[str]:
    """The tasks without a delivered video, grouped by the reason."""
    with_name = len({each.task.ref.provider for each in watched}) > 1
    by_reason: dict[str, list[str]] = {}
    for each in watched:
        if reason := _reason(each, language):
            by_reason.setdefault(f"{_icon(each)} {reason}", []).append(_name(each.task, id_units, with_name))
    return [f"{reason}\n{lines.join_commas(names, language)}" for reason, names in by_reason.items()]


def _reason(each: WatchedTask, language: str) -> str | None:
    """Why the chat has no video of a task, in one sentence; None: it has, or will have shortly."""
    if each.watch.state is WatchState.STOPPED:
        return lines.join_dots([t(language, "status.stopped"), lines.stopped_by(each.watch, language)])
    if each.watch.result is DeliveryState.UNKNOWN:
        return t(language, "result.unconfirmed")
    if each.watch.result is DeliveryState.DEAD:
        return t(language, "result.given_up")
    if each.task.status is TaskStatus.SUCCEEDED and lines.has_video(each.task):
        return None
    return lines.why(each.task, language) or t(language, f"status.{each.task.status}")


def _state(each: WatchedTask, language: str) -> str:
    word, found = _word(each, language), each.task.snapshot
    if each.task.status is TaskStatus.RUNNING and found is not None and found.progress is not None:
        return f"{word} {int(found.progress)}%"
    return word


def _word(each: WatchedTask, language: str) -> str:
    if each.watch.state is WatchState.STOPPED:
        return t(language, "status.stopped")
    if each.task.status is TaskStatus.SUCCEEDED and not lines.has_video(each.task):
        return t(language, f"status.{TaskStatus.FAILED}")
    return t(language, f"status.{each.task.status}")


def _icon(each: WatchedTask) -> str:
    if each.watch.state is WatchState.STOPPED:
        return lines.STOPPED_ICON
    if each.watch.result is not None and each.watch.result.is_undelivered:
        return "⚠️"
    if each.task.status is TaskStatus.SUCCEEDED and not lines.has_video(each.task):
        return lines.ICONS[TaskStatus.FAILED]
    return "💤" if lines.stall(each, "en") else lines.ICONS[each.task.status]


def _name(task: Task, id_units: int, with_name: bool) -> str:
    """The id, copied on a tap unless it is cut; with the provider's name if there are several."""
    external_id = task.ref.external_id
    if len(external_id) > id_units:
        half = id_units // 2
        shown = escape_line(f"{external_id[:half]}…{external_id[-half:]}", id_units + 1)
    else:
        shown = lines.shown_id(external_id)
    return f"{escape_line(task.ref.provider, _PROVIDER_UNITS)} {shown}" if with_name else shown


def _problems(
    watched: Sequence[WatchedTask], language: str, problem_of: Callable[[str], str | None]
) -> list[str]:
    """Why tasks can't be polled at present, each reason once; not since when, as the card has no clock."""
    polled = [
        each.task
        for each in watched
        if each.watch.state is WatchState.ACTIVE and not each.task.status.is_final
    ]
    reasons = (lines.unpolled(task, problem_of(task.ref.provider), language) for task in polled)
    return list(dict.fromkeys(filter(None, reasons)))[:_PROBLEMS]


def _took(batch: Batch, watched: Sequence[WatchedTask]) -> str | None:
    """From the request to the end of the last task."""
    ended = [end for each in watched if (end := _ended_at(each.task)) is not None]
    if not ended:
        return None
    spent_s = (max(ended) - batch.created_at).total_seconds()
    return t(batch.language, "card.took", duration=duration(batch.language, spent_s))


def _ended_at(task: Task) -> datetime | None:
    return task.last_poll_at if task.status.is_final else None

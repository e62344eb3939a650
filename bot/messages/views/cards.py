"""The views of a watched task: its card, its line in lists, the replies to /status and /watch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from bot.messages import lines
from bot.messages.keyboards import check_again, check_now, send_again, stop
from bot.messages.limits import TEXT_UNITS, escape_line, take_fitting, without_markup
from bot.messages.quantities import duration
from bot.messages.translate import t
from bot.messages.view import Button, Forecast, View
from storage.models import DeliveryState, Stall
from storage.watches import Watch, WatchedTask, WatchState

_PROMPT_UNITS = 120
_NOTES_UNITS = 1500  # reserved for the notes about ids that are invalid, unknown or too many
_FRAME_UNITS = 120  # reserved for the title of a list and the line with the number of omitted entries


def card(
    watched: WatchedTask,
    *,
    now: datetime,
    forecast: Forecast | Literal["overdue"] | None = None,
    problem: str | None = None,
) -> View:
    """The message that shows the current state of a watch.

    forecast: None if there is too little data. problem: of the gateway, if its tasks can't be polled.
    """
    task, language = watched.task, watched.watch.language
    active = watched.watch.state is not WatchState.STOPPED
    doubt, stall = _delivery_note(watched.watch, language), lines.stall(watched, language)
    is_resting = stall is not None and task.stall is Stall.RESTING
    return View(
        text=lines.join_lines(
            [
                lines.title(watched),
                lines.status_line(watched, language=language, now=now),
                lines.eta_line(task, forecast, language) if forecast and active and not stall else None,
                lines.why(task, language) if active else None,
                _content(watched, language),
                None if is_resting else _problem(watched, problem, now=now),
                stall,
                doubt,
            ]
        ),
        buttons=_buttons(watched),
    )


def status(watched: WatchedTask, *, language: str, now: datetime) -> View:
    """The reply to /status: the card's facts, the gateway's raw status, the last and the next poll."""
    task = watched.task
    active = watched.watch.state is not WatchState.STOPPED
    failure = task.poll_failure if active else None
    return View(
        text=lines.join_lines(
            [
                lines.title(watched),
                lines.status_line(watched, language=language, now=now),
                lines.why(task, language) if active else None,
                _content(watched, language),
                lines.raw_status(task, language),
                _poll_times(watched, language=language, now=now),
                lines.stall(watched, language),
                lines.poll_failure(failure, language) if failure else None,
                lines.poll_failure_quote(failure) if failure else None,
            ]
        )
    )


def bubble(watched: WatchedTask, *, language: str, now: datetime) -> str:
    """The status of a task as plain text, for the answer to a press."""
    return without_markup(lines.status_line(watched, language=language, now=now))


def already(watched: WatchedTask, *, language: str, now: datetime) -> View:
    """The reply to /watch for a task that is watched already; it quotes the card."""
    watch, status = watched.watch, lines.status_line(watched, language=language, now=now)
    if watch.state is WatchState.ACTIVE:
        return View(text=t(language, "watch.already", status=status))
    if watch.result is DeliveryState.SENT:
        return View(text=t(language, "watch.delivered", status=status))
    outcome = _delivery_note(watch, language) or t(language, "result.sending_again")
    return View(text=lines.join_lines([t(language, "watch.before", status=status), outcome]))


def already_all(found: Sequence[WatchedTask], *, language: str, now: datetime) -> View:
    """The reply to /watch for several tasks that are watched already."""
    title = t(language, "watch.already_all", count=len(found))
    return _listed(title, [entry(each, language=language, now=now) for each in found], language)


def statuses(found: Sequence[WatchedTask], *, language: str, now: datetime) -> View:
    """The reply to /status for several tasks: a line each, with the reason if polling fails."""
    entries = [
        lines.join_dots(
            [
                entry(each, language=language, now=now),
                lines.poll_failure(each.task.poll_failure, language)
                if each.task.poll_failure and each.watch.state is not WatchState.STOPPED
                else None,
            ]
        )
        for each in found
    ]
    return _listed(t(language, "tasks.several", count=len(found)), entries, language)


def entry(watched: WatchedTask, *, language: str, now: datetime) -> str:
    """A task in a list."""
    return f"{lines.title(watched)} · {lines.status_line(watched, language=language, now=now)}"


def _listed(title: str, entries: Sequence[str], language: str) -> View:
    """The entries that fit beside notes, and the number of the others."""
    shown = take_fitting(entries, TEXT_UNITS - _FRAME_UNITS - _NOTES_UNITS)
    left_out = len(entries) - len(shown)
    more = [t(language, "tasks.more", number=left_out)] if left_out else []
    return View(text=lines.join_lines([title, *shown, *more]))


def _buttons(watched: WatchedTask) -> tuple[tuple[Button, ...], ...]:
    """What can be done about a watch in its present state."""
    watch, task = watched.watch, watched.task
    if watch.result is not None and watch.result.is_undelivered:
        return ((send_again(watch),),)
    if watch.state is not WatchState.ACTIVE or task.status.is_final:
        return ()
    return ((check_again(watch) if task.stall is Stall.RESTING else check_now(watch), stop(watch)),)


def _problem(watched: WatchedTask, problem: str | None, *, now: datetime) -> str | None:
    """Why an active task can't be polled: its gateway's problem, else its own failure."""
    task, language = watched.task, watched.watch.language
    if watched.watch.state is WatchState.STOPPED or task.status.is_final:
        return None
    if problem:
        return lines.gateway_problem(task, problem, language, now=now)
    return lines.poll_failure(task.poll_failure, language) if task.poll_failure else None


def _delivery_note(watch: Watch, language: str) -> str | None:
    """A note about a result whose delivery Telegram has not confirmed."""
    match watch.result:
        case DeliveryState.UNKNOWN:
            return t(language, "result.unconfirmed")
        case DeliveryState.DEAD:
            return t(language, "result.given_up")
        case _:
            return None


def _content(watched: WatchedTask, language: str) -> str | None:
    prompt = watched.task.snapshot.prompt if watched.task.snapshot else None
    quoted = t(language, "card.prompt", prompt=escape_line(prompt, _PROMPT_UNITS)) if prompt else None
    return lines.join_dots([lines.model(watched.task), quoted]) or None


def _poll_times(watched: WatchedTask, *, language: str, now: datetime) -> str:
    last, following = watched.task.last_poll_at, watched.task.next_poll_at
    if last is None:
        return t(language, "poll.never")
    text = t(language, "poll.last", duration=duration(language, (now - last).total_seconds()))
    if following is None or watched.watch.state is WatchState.STOPPED:
        return text
    wait_s = (following - now).total_seconds()
    key = "poll.next" if wait_s >= 1 else "poll.soon"
    return lines.join_dots([text, t(language, key, duration=duration(language, wait_s))])

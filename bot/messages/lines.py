"""Lines that several messages share."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from bot.messages.limits import NAME_UNITS, escape_line
from bot.messages.quantities import duration
from bot.messages.translate import t
from bot.messages.view import Forecast
from storage.models import Cause, PollFailure, Task, TaskStatus
from storage.watches import Watch, WatchedTask, WatchState

ICONS = {
    TaskStatus.UNKNOWN: "⏳",
    TaskStatus.QUEUED: "⏳",
    TaskStatus.RUNNING: "🎬",
    TaskStatus.SUCCEEDED: "✅",
    TaskStatus.FAILED: "❌",
    TaskStatus.CANCELLED: "🚫",
    TaskStatus.EXPIRED: "⌛",
    TaskStatus.NOT_FOUND: "❓",
}
STOPPED_ICON = "⏹"
_CAUSES = {  # of a poll that fails for a gateway's problem
    "key": Cause.KEY_INVALID,
    "quota": Cause.KEY_EXHAUSTED,
    "away": Cause.UNREACHABLE,
    "proxy": Cause.PROXY,
    "odd": Cause.ODD_ANSWER,
}

_GRAINS_S = ((90.0, 5.0), (600.0, 30.0), (float("inf"), 60.0))  # (upper bound, rounded to)
_BAR_CELLS = 10
PROVIDER_UNITS = 64
ID_UNITS = 512
_IDS_UNITS = 400
_MODEL_UNITS = 60
_RAW_STATUS_UNITS = 60
HOST_UNITS = 120
VENDOR_UNITS = 300


def join_lines(lines: Iterable[str | None]) -> str:
    """Join the lines that are not empty with line breaks."""
    return "\n".join(line for line in lines if line)


def join_dots(parts: Iterable[str | None]) -> str:
    """Join the parts that are not empty with middle dots."""
    return " · ".join(part for part in parts if part)


def join_commas(words: Iterable[str], language: str) -> str:
    """Join words with the language's comma for lists."""
    return t(language, "punctuation.comma").join(words)


def labelled(label: str, value: str, language: str) -> str:
    """A label, the language's colon, and a value."""
    return t(language, "punctuation.labelled", label=label, value=value)


def brackets(text: str, language: str) -> str:
    """A text in the language's brackets, to be put behind another; empty if it is."""
    return t(language, "punctuation.brackets", text=text) if text else ""


def provider(task: Task) -> str:
    """The provider's name in bold."""
    return f"<b>{escape_line(task.ref.provider, PROVIDER_UNITS)}</b>"


def shown_id(external_id: str, limit: int = ID_UNITS) -> str:
    """An id in monospace, which Telegram copies on a tap."""
    return f"<code>{escape_line(external_id, limit)}</code>"


def shown_ids(ids: Sequence[str], language: str) -> str:
    """One id that is copied on a tap, or several, cut to fit."""
    return shown_id(ids[0]) if len(ids) == 1 else escape_line(join_commas(ids, language), _IDS_UNITS)


def title(watched: WatchedTask, id_units: int = ID_UNITS) -> str:
    """Icon, provider and id."""
    task = watched.task
    icon = STOPPED_ICON if watched.watch.state is WatchState.STOPPED else ICONS[task.status]
    return f"{icon} {join_dots([provider(task), shown_id(task.ref.external_id, id_units)])}"


def stopped_by(watch: Watch, language: str) -> str | None:
    """Who stopped a watch, if known."""
    name = escape_line(watch.stopped_by or "", NAME_UNITS)
    return t(language, "status.stopped_by", name=name) if name else None


def status_line(watched: WatchedTask, *, language: str, now: datetime) -> str:
    """The status with progress and elapsed time; for a final status the time that the task took."""
    task = watched.task
    if watched.watch.state is WatchState.STOPPED:
        return join_dots([f"<b>{t(language, 'status.stopped')}</b>", stopped_by(watched.watch, language)])
    if task.status is TaskStatus.UNKNOWN and task.failures:
        return join_dots([f"<b>{t(language, 'poll.never')}</b>", _elapsed(task, language, now=now)])
    word = f"<b>{t(language, f'status.{task.status}')}</b>"
    if task.status is TaskStatus.SUCCEEDED:
        return join_dots([word, took(task, language)])
    if task.status.is_final:
        return join_dots([word, ended_after(task, language)])
    parts = [word, _progress(task)]
    if task.snapshot and task.snapshot.queue_position and task.status is not TaskStatus.RUNNING:
        parts.append(t(language, "card.ahead", count=task.snapshot.queue_position))
    return join_dots([*parts, _elapsed(task, language, now=now)])


def eta_line(task: Task, forecast: Forecast | Literal["overdue"], language: str) -> str | None:
    """The estimated remaining time of an unfinished task, as a range."""
    if task.status.is_final:
        return None
    if not isinstance(forecast, Forecast):
        return t(language, "card.overdue")
    middle, low, high = (
        duration(language, _rounded(seconds))
        for seconds in (forecast.middle_s, forecast.low_s, forecast.high_s)
    )
    return t(language, "card.left" if low != high else "card.left_about", middle=middle, low=low, high=high)


def took(task: Task, language: str) -> str | None:
    """How long a finished task took; "at least" if the gateway reports no start time."""
    spent_s = _spent_s(task)
    if spent_s is None:
        return None
    key = "card.took" if _started_at(task) else "card.took_at_least"
    return t(language, key, duration=duration(language, spent_s))


def ended_after(task: Task, language: str) -> str | None:
    """After how long a task ended without a video; None if the gateway reports no start time."""
    spent_s = _spent_s(task)
    if spent_s is None or _started_at(task) is None:
        return None
    return t(language, "ended.after", duration=duration(language, spent_s))


def model(task: Task) -> str | None:
    """The model's name, if known."""
    return escape_line(task.snapshot.model, _MODEL_UNITS) if task.snapshot and task.snapshot.model else None


def raw_status(task: Task, language: str) -> str | None:
    """The status as the gateway sent it, if it sent one."""
    raw = escape_line(task.snapshot.raw_status, _RAW_STATUS_UNITS) if task.snapshot else ""
    return t(language, "poll.raw_status", status=f"<code>{raw}</code>") if raw else None


def poll_failure(found: PollFailure, language: str) -> str:
    """Why polling fails, and what the bot does next."""
    cause = Cause.OTHER if found.cause.is_task_failure else found.cause
    target = escape_line(found.message, HOST_UNITS) if cause.is_redirect else ""
    return f"⚠️ {t(language, f'poll_failure.{cause}', target=target)}"


def unpolled(task: Task, problem: str | None, language: str) -> str | None:
    """Why a task can't be polled: its own failure, which says more, else its gateway's problem."""
    if task.poll_failure is not None:
        return poll_failure(task.poll_failure, language)
    return f"⚠️ {t(language, f'poll_failure.{_CAUSES[problem]}')}" if problem else None


def poll_failure_quote(found: PollFailure) -> str | None:
    """The gateway's message about a failed poll, if there is one."""
    is_ours = found.cause.is_redirect or found.cause is Cause.PROXY
    return None if is_ours else vendor_quote(found.message)


def gateway_problem(task: Task, problem: str, language: str, *, now: datetime) -> str:
    """For how long a task could not be polled, and why; problem: of its gateway."""
    found = task.poll_failure
    if found is not None and found.cause.is_redirect:
        why = t(language, f"gateway_problem.why.{found.cause}", target=escape_line(found.message, HOST_UNITS))
    else:
        why = t(language, f"gateway_problem.why.{problem}")
    if task.snapshot_at is None:
        return f"⚠️ {t(language, 'gateway_problem.never', why=why)}"
    elapsed_s = (now - task.snapshot_at).total_seconds()
    return f"⚠️ {t(language, 'gateway_problem.since', duration=duration(language, elapsed_s), why=why)}"


def stall(watched: WatchedTask, language: str) -> str | None:
    """A note that an active task has not changed for long, and whether it is still polled."""
    task = watched.task
    is_over = task.status.is_final or watched.watch.state is WatchState.STOPPED
    if is_over or not task.stall.is_reported:
        return None
    return f"💤 {t(language, f'stall.{task.stall}')}"


def cause_of_failure(task: Task) -> Cause:
    """The cause of a failed task; NO_VIDEO for one that succeeded without a video."""
    if task.status is TaskStatus.SUCCEEDED:
        return Cause.NO_VIDEO
    error = task.snapshot.error if task.snapshot else None
    return error.cause if error else Cause.GENERATION


def has_video(task: Task) -> bool:
    """Whether the gateway has said where the video is."""
    return task.snapshot is not None and task.snapshot.media is not None


def why(task: Task, language: str) -> str | None:
    """Why a task that failed, or succeeded without a video, has no video."""
    if task.status is TaskStatus.FAILED or (task.status is TaskStatus.SUCCEEDED and not has_video(task)):
        return t(language, f"failed.{cause_of_failure(task)}.why")
    return None


def vendor_quote(*words: str | None, limit: int = VENDOR_UNITS) -> str | None:
    """The gateway's message, cut to limit, in an expandable block."""
    text = escape_line(": ".join(word for word in words if word), limit) if limit else ""
    return f"<blockquote expandable>{text}</blockquote>" if text else None


def _progress(task: Task) -> str | None:
    found = task.snapshot
    if found is None or found.progress is None or task.status is not TaskStatus.RUNNING:
        return None
    percent = f"{int(found.progress)}%"
    if not found.progress_measured:
        return percent
    filled = int(found.progress * _BAR_CELLS / 100)
    return f"{'▰' * filled}{'▱' * (_BAR_CELLS - filled)} {percent}"


def _rounded(seconds: float) -> float:
    """Round to the precision of a forecast."""
    grain_s = next(grain for bound, grain in _GRAINS_S if seconds < bound)
    return max(grain_s, round(seconds / grain_s) * grain_s)


def _started_at(task: Task) -> datetime | None:
    return (task.snapshot.submitted_at or task.snapshot.started_at) if task.snapshot else None


def _elapsed(task: Task, language: str, *, now: datetime) -> str:
    age_s = (now - (_started_at(task) or task.registered_at)).total_seconds()
    return t(language, "card.so_far", duration=duration(language, age_s))


def _spent_s(task: Task) -> float | None:
    ended_at = (task.snapshot and task.snapshot.finished_at) or task.last_poll_at
    if ended_at is None:
        return None
    spent_s = (ended_at - (_started_at(task) or task.registered_at)).total_seconds()
    return spent_s if spent_s >= 0 else None

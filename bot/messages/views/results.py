"""Messages about the end of a task, and notices about problems that need a user's action."""

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bot.messages import keyboards, lines
from bot.messages.limits import CAPTION_UNITS, TEXT_UNITS, escape_line, take_fitting, utf16_len
from bot.messages.quantities import duration, moment, size
from bot.messages.translate import t
from bot.messages.view import View
from storage.models import Cause, Media, Stall, Task, TaskStatus
from storage.watches import WatchedTask

_PROMPT_UNITS = 400
_LEAST_PROMPT_UNITS = 20  # a shorter part of a prompt says nothing, and is left out
_FORMAT_UNITS = 20
_LINK_UNITS = 3000  # a longer link or command does not fit into a message with its explanation
NO_FILE = "link.no_file"  # the sentence before a link that comes instead of a requested document
_DEAD_LINK = "dead_link"
_QUOTE_UNITS = (lines.VENDOR_UNITS, 80, 0)  # of each failure in a message about several: tried in this order


class VideoFacts(Protocol):
    """Properties of the video of a caption; None: unknown."""

    @property
    def is_video(self) -> bool:
        """Whether Telegram plays it in place; False: it came as a document."""

    @property
    def size(self) -> int | None:
        """Bytes."""

    @property
    def width(self) -> int | None:
        """Pixels."""

    @property
    def height(self) -> int | None:
        """Pixels."""

    @property
    def duration_s(self) -> float | None:
        """Seconds."""

    @property
    def unplayable(self) -> str | None:
        """The name of a format that Telegram does not play in place."""


def announcement(watched: WatchedTask, *, is_document: bool = False) -> View:
    """The text message that announces a video or a document; an edit turns it into that."""
    language = watched.watch.language
    coming = t(language, "result.file_announcement" if is_document else "result.announcement")
    return View(
        text=lines.join_lines([lines.title(watched), f"<b>{t(language, 'status.succeeded')}</b> · {coming}"])
    )


def document_caption(watched: WatchedTask, video: VideoFacts) -> View:
    """The caption of the document of a video that the chat has already."""
    kind = t(watched.watch.language, "button.original_file")
    facts = lines.join_dots([kind, size(video.size) if video.size is not None else None])
    return View(text=lines.join_lines([lines.title(watched), facts]))


def caption(watched: WatchedTask, video: VideoFacts, *, now: datetime) -> View:
    """The caption of a video."""
    task, language = watched.task, watched.watch.language
    facts = lines.join_lines(
        [
            lines.title(watched),
            lines.join_dots([lines.model(task), lines.took(task, language)]),
            _facts(task, language, video),
            t(language, "result.as_file", format=escape_line(video.unplayable, _FORMAT_UNITS))
            if video.unplayable
            else None,
            _deadline(task, language, now=_gateway_time(task, now)),
        ]
    )
    prompt = task.snapshot.prompt if task.snapshot else None
    room = min(CAPTION_UNITS - utf16_len(facts) - 1, _PROMPT_UNITS)
    if prompt and room >= _LEAST_PROMPT_UNITS:
        facts = f"{facts}\n<blockquote expandable>{escape_line(prompt, room)}</blockquote>"
    shows_details = keyboards.details(watched.watch, is_shown=True)
    row = (keyboards.original_file(watched.watch), shows_details) if video.is_video else (shows_details,)
    return View(text=facts, buttons=(row,))


def details(watched: WatchedTask) -> View:
    """What is known about a task, in place of the caption of its video."""
    task, language = watched.task, watched.watch.language
    found = task.snapshot
    times = (
        ("submitted", found and found.submitted_at),
        ("started", found and found.started_at),
        ("finished", found and found.finished_at),
        ("registered", task.registered_at),
    )
    known = [
        lines.title(watched),
        lines.model(task),
        lines.raw_status(task, language),
        *(t(language, f"details.{name}", time=moment(at)) for name, at in times if at),
    ]
    copy = keyboards.copy_id(task.ref.external_id, language)
    hide = keyboards.details(watched.watch, is_shown=False)
    return View(
        text=lines.join_lines(take_fitting([line for line in known if line], CAPTION_UNITS)),
        buttons=((copy, hide) if copy else (hide,),),
    )


def link(
    watched: WatchedTask, *, media: Media | None, why: str, now: datetime, lead: str = "link.lead"
) -> View:
    """The video as a link, if it can't be sent; a link that needs the API key is shown as a curl command.

    why: a key of link.why in the locales; lead: that of the sentence before it.
    """
    language = watched.watch.language
    again = keyboards.original_file if lead == NO_FILE else keyboards.send_again
    lead = t(language, lead, why=t(language, f"link.why.{why}"))
    works, there = why != _DEAD_LINK, _gateway_time(watched.task, now)
    link_text = _link_text(media, language, works=works, now=there) if media is not None else None
    return View(
        text=lines.join_lines([lines.title(watched), lead, link_text or t(language, "link.none")]),
        buttons=((again(watched.watch),),),
    )


def failure(watched: WatchedTask) -> View:
    """Why there is no video, what to do next, and the gateway's message."""
    task, language = watched.task, watched.watch.language
    word = f"<b>{t(language, f'status.{task.status}')}</b>"
    return View(
        text=lines.join_lines(
            [
                lines.title(watched),
                lines.join_dots([word, lines.ended_after(task, language)]),
                _advice(task, language),
                _quote(task),
            ]
        )
    )


def failures(watched: Sequence[WatchedTask]) -> tuple[View, int]:
    """Why the tasks of one request have no videos, and how many of the tasks the message covers.

    Tasks with the same reason share its text. The gateways' messages are cut shorter, or omitted, if
    all tasks fit then. The message covers at least the first task.
    """
    if len(watched) == 1:
        return failure(watched[0]), 1
    for quote_units in _QUOTE_UNITS:
        if utf16_len(text := _failures(watched, quote_units)) <= TEXT_UNITS:
            return View(text=text), len(watched)
    return failures(watched[: max(1, min(len(watched) - 1, len(watched) * TEXT_UNITS // utf16_len(text)))])


def notice(watched: WatchedTask) -> View:
    """A problem that a user has to fix before polling works again; sent once per provider, not per task."""
    task, language = watched.task, watched.watch.language
    found = task.poll_failure
    if found is None and task.stall in {Stall.UNCHANGED, Stall.RESTING}:
        return View(text=lines.join_lines([lines.title(watched), f"💤 {t(language, 'notice.unchanged')}"]))
    if found is None:
        sentence = t(language, f"poll_failure.{Cause.OTHER}")
    elif found.cause.needs_admin:
        sentence = f"🔑 {t(language, f'notice.{found.cause}', provider=lines.provider(task))}"
    else:
        sentence = lines.poll_failure(found, language)
    quote = lines.poll_failure_quote(found) if found else None
    return View(text=lines.join_lines([sentence, t(language, "notice.kept"), quote]))


def _failures(watched: Sequence[WatchedTask], quote_units: int) -> str:
    by_reason: dict[tuple[str, str | None], list[WatchedTask]] = {}
    for each in watched:
        reason = (_advice(each.task, each.watch.language), _quote(each.task, quote_units))
        by_reason.setdefault(reason, []).append(each)
    return "\n\n".join(
        lines.join_lines([*(_failed_line(each) for each in of_reason), advice, quote])
        for (advice, quote), of_reason in by_reason.items()
    )


def _failed_line(watched: WatchedTask) -> str:
    task = watched.task
    word = t(watched.watch.language, f"status.{task.status}")
    name = escape_line(task.ref.provider, lines.PROVIDER_UNITS)
    return f"{lines.ICONS[task.status]} {name} · {lines.shown_id(task.ref.external_id)} · {word}"


def _quote(task: Task, limit: int = lines.VENDOR_UNITS) -> str | None:
    error = task.snapshot.error if task.snapshot else None
    return lines.vendor_quote(error.code, error.message, limit=limit) if error else None


def _facts(task: Task, language: str, video: VideoFacts) -> str:
    """Measured from the video file, else as reported by the gateway."""
    reported = task.snapshot
    width, height, length_s = video.width, video.height, video.duration_s
    if reported and not width:
        width, height = reported.width, reported.height
    if reported and not length_s:
        length_s = reported.video_s
    return lines.join_dots(
        [
            f"{width}×{height}" if width and height else None,
            duration(language, length_s) if length_s else None,
            size(video.size) if video.size is not None else None,
        ]
    )


def _gateway_time(task: Task, now: datetime) -> datetime:
    """The current time of the gateway's clock, which the link's expiry refers to."""
    return now + timedelta(seconds=task.snapshot.clock_ahead_s if task.snapshot else 0.0)


def _deadline(task: Task, language: str, *, now: datetime) -> str | None:
    expires_at = task.snapshot.media.expires_at if task.snapshot and task.snapshot.media else None
    if expires_at is None or expires_at <= now:
        return None
    left = t(language, "result.link_left", duration=duration(language, (expires_at - now).total_seconds()))
    return lines.join_dots([t(language, "result.link_until", time=moment(expires_at)), left])


def _link_text(media: Media, language: str, *, works: bool, now: datetime) -> str | None:
    """works: no download of the link has failed, so its expiry is still shown."""
    if media.url is None:
        return None
    command = f'curl -fLo video.mp4 -H "Authorization: Bearer $KEY" {shlex.quote(media.url)}'
    shown = command if media.needs_auth else media.url
    if utf16_len(shown) > _LINK_UNITS:
        return None
    shown_link = escape_line(shown, _LINK_UNITS)
    if media.needs_auth:
        shown_link = f"{t(language, 'link.needs_key')}\n<pre>{shown_link}</pre>"
    expiry = _link_expiry(media, language, now=now)
    return f"{shown_link}\n{expiry}" if works else shown_link


def _link_expiry(media: Media, language: str, *, now: datetime) -> str:
    if media.expires_at is None:
        return t(language, "link.until_unknown")
    if media.expires_at <= now:
        return t(language, "link.dead", time=moment(media.expires_at))
    left = duration(language, (media.expires_at - now).total_seconds())
    return t(language, "link.until", time=moment(media.expires_at), duration=left)


def _advice(task: Task, language: str) -> str:
    if task.status in {TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.NOT_FOUND}:
        return t(language, f"ended.{task.status}", provider=lines.provider(task))
    cause = lines.cause_of_failure(task)
    return f"{t(language, f'failed.{cause}.why')}\n{t(language, f'failed.{cause}.next')}"

"""The reply to /health."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.messages.limits import TEXT_UNITS, escape_line, take_fitting, utf16_len
from bot.messages.lines import HOST_UNITS, brackets, join_commas, join_lines
from bot.messages.quantities import moment, size
from bot.messages.translate import t
from bot.messages.view import View
from storage.figures import Workload

_NAMES_UNITS = 200
_FRAME_UNITS = 100  # icon, markup, blank lines, and the number of the problems that are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayHealth:
    """A key at a gateway."""

    names: Sequence[str]  # of the providers behind the key
    host: str
    status: str  # the last part of the key of a text: admin.…
    is_bad: bool
    since: datetime  # when it has had that status
    detail: str | None  # an HTTP status, or the target of a redirect
    waiting: int  # tasks that are polled there


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipHealth:
    """The processes that share the database."""

    leader: str | None  # its name, None: not known
    standbys: Sequence[str]
    answering_standby: str | None = None  # the name of the one that answers; None: the leader does
    epoch: int | None  # of the leader's term; None: not known to who answers
    round_trip_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What /health shows."""

    version: str
    started_at: datetime
    telegram_since: datetime | None  # when it has been away; None: it responds
    database: str  # a DatabaseState
    hung_loops: Sequence[str]
    gateways: Sequence[GatewayHealth]
    workload: Workload | None  # None: the database cannot be read
    free_bytes: int | None  # on the disk of the database; None: not known
    leadership: LeadershipHealth | None = None  # None: no other process shares the database


def health(found: Health, *, language: str) -> View:
    """Whether all is well, what is not, and what the bot does."""
    problems = _problems(found, language)
    title = t(language, "health.problems", count=len(problems)) if problems else t(language, "health.well")
    facts = join_lines(_facts(found, language))
    room = TEXT_UNITS - utf16_len(title + facts) - _FRAME_UNITS
    shown = take_fitting(problems, room)
    more = len(problems) - len(shown)
    listed = join_lines([*shown, t(language, "health.more", number=more) if more else None])
    icon = "⚠️" if problems else "✅"
    return View(text="\n\n".join(part for part in (f"{icon} <b>{title}</b>", listed, facts) if part))


def _problems(found: Health, language: str) -> list[str]:
    """A line each, the most urgent first."""
    lines = []
    if found.database != "ok":
        lines.append(t(language, f"health.database.{found.database}"))
    lines += [
        t(language, "health.hung", loop=t(language, f"health.loop.{loop}")) for loop in found.hung_loops
    ]
    if found.telegram_since is not None:
        lines.append(t(language, "health.telegram", since=moment(found.telegram_since)))
    lines += [_gateway(each, language) for each in found.gateways if each.is_bad]
    return [f"• {line}" for line in lines]


def _gateway(each: GatewayHealth, language: str) -> str:
    names = escape_line(join_commas(each.names, language), _NAMES_UNITS)
    target = escape_line(each.detail or "", HOST_UNITS)
    what = t(
        language,
        f"admin.{each.status}",
        gateway=f"<b>{escape_line(each.host, HOST_UNITS)}</b>{brackets(names, language)}",
        http=brackets(target, language),
        target=target,
    )
    if not each.waiting:
        return t(language, "health.gateway", what=what, since=moment(each.since))
    return t(language, "health.held_up", what=what, since=moment(each.since), count=each.waiting)


def _facts(found: Health, language: str) -> list[str]:
    work = found.workload
    lines = [t(language, "health.running", since=moment(found.started_at), version=found.version)]
    if work is not None:
        lines += [_watching(work, language), _waiting(work, language)]
    if found.gateways:
        good = sum(not each.is_bad for each in found.gateways)
        lines.append(t(language, "health.gateways", good=good, number=len(found.gateways)))
    if work is not None:
        lines.append(_disk(work.database_bytes, found.free_bytes, language))
    if found.leadership is not None:
        lines += _replicas(found.leadership, language)
    return lines


def _replicas(found: LeadershipHealth, language: str) -> list[str]:
    """Who leads and who stands by."""
    lines = []
    if found.leader is not None:
        leader = escape_line(found.leader, HOST_UNITS)
        key = "health.leader" if found.epoch is None else "health.leader_in_epoch"
        lines.append(t(language, key, name=leader, epoch=found.epoch or 0))
    standbys = escape_line(join_commas(found.standbys, language), _NAMES_UNITS)
    key = "health.standbys" if found.standbys else "health.no_standby"
    lines.append(t(language, key, names=standbys))
    if found.round_trip_s is not None:
        lines.append(t(language, "health.round_trip", ms=f"{found.round_trip_s * 1000:.1f}"))
    if found.answering_standby is not None:
        name = escape_line(found.answering_standby, HOST_UNITS)
        lines.append(t(language, "health.answered_by_standby", name=name))
    return lines


def _watching(work: Workload, language: str) -> str:
    tasks = sum(work.polled_tasks.values())
    if not tasks:
        return t(language, "health.idle")
    return t(language, "health.watching", count=tasks, chats=work.watching_chats)


def _waiting(work: Workload, language: str) -> str:
    if work.waiting_since is None:
        return t(language, "health.all_sent")
    return t(language, "health.waiting", count=work.waiting_deliveries, since=moment(work.waiting_since))


def _disk(database_bytes: int, free_bytes: int | None, language: str) -> str:
    if free_bytes is None:
        return t(language, "health.database_size", size=size(database_bytes))
    return t(language, "health.disk", size=size(database_bytes), free=size(free_bytes))

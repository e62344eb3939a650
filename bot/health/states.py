"""What /livez and /readyz tell: states in fixed words, and a sentence about them; never foreign text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bot.health.store_check import DatabaseState
from bot.watching.gateway_state import GatewayStatus
from storage.leadership import Replica

_DATABASE = {
    DatabaseState.FULL: "the disk of the database is full or fails",
    DatabaseState.FAILING: "the database cannot be written",
    DatabaseState.AWAY: "the database can't be reached",
    DatabaseState.HUNG: "the database does not respond",
}
_PROVIDER = {
    GatewayStatus.KEY: "rejects the API key",
    GatewayStatus.QUOTA: "has no credit left",
    GatewayStatus.AWAY: "does not respond",
    GatewayStatus.PROXY: "can't be reached, as PROVIDER_PROXY does not work",
    GatewayStatus.ODD: "sends responses that cannot be read",
}


class LoopState(StrEnum):
    """Whether a loop makes progress."""

    OK = "ok"
    HUNG = "hung"


class Role(StrEnum):
    """What a process does that shares its database with others."""

    LEADER = "leader"
    STANDBY = "standby"


class TelegramState(StrEnum):
    """Whether Telegram responds."""

    OK = "ok"
    CONNECTING = "connecting"  # it has not responded since the start
    AWAY = "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipState:
    """The role of this process, and the processes that share its database."""

    role: Role
    epoch: int | None  # of this process's last term; None: it has never led
    round_trip_s: float | None  # to the database; None: not measured
    replicas: Sequence[Replica]  # empty: the database does not respond

    @property
    def leader(self) -> str | None:
        """The name of the process that leads, as far as known."""
        return next((each.name for each in self.replicas if each.is_leader), None)

    def as_json(self) -> dict[str, object]:
        """A part of the body of /readyz."""
        return {
            "role": self.role,
            "epoch": self.epoch,
            "round_trip_s": None if self.round_trip_s is None else round(self.round_trip_s, 6),
            "replicas": [
                {
                    "name": each.name,
                    "version": each.version,
                    "role": Role.LEADER if each.is_leader else Role.STANDBY,
                    "since": each.since.isoformat(timespec="seconds"),
                }
                for each in self.replicas
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Whether this process does its work, whoever else is away."""

    database: DatabaseState
    loops: Mapping[str, LoopState]  # those that have begun to run
    is_standby: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the loops run and the database takes writes."""
        return not self.problems

    @property
    def hangs(self) -> bool:
        """Whether a loop or the database hangs, so that a restart may help."""
        return self.database is DatabaseState.HUNG or LoopState.HUNG in self.loops.values()

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong, as parts of a sentence; not a server that is away, which no restart brings back."""
        is_own = self.database in _DATABASE and self.database is not DatabaseState.AWAY
        database = [_DATABASE[self.database]] if is_own and not self.is_standby else []
        hung = [f"the loop {loop} hangs" for loop, state in self.loops.items() if state is LoopState.HUNG]
        return database + hung

    def as_json(self) -> dict[str, object]:
        """The body of /livez."""
        well = "The bot is alive: its loops run and the database takes writes."
        if self.is_standby:
            well = "The bot is alive: it stands by to lead."
        elif self.database is DatabaseState.AWAY:
            well = "The bot is alive: its loops run, and wait for the database."
        return {
            "ok": self.is_ok,
            "summary": well if self.is_ok else f"The bot is not alive: {'; '.join(self.problems)}.",
            "database": self.database,
            "loops": dict(self.loops),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether all that this process needs works."""

    liveness: Liveness
    telegram: TelegramState
    telegram_since: datetime | None  # when it has been away
    providers: Mapping[str, GatewayStatus]  # by name
    leadership: LeadershipState | None = None  # None: no other process shares the database

    @property
    def is_ok(self) -> bool:
        """Whether the process is alive, and Telegram and all providers respond, as far as known.

        A process that stands by needs the database only.
        """
        return not self.problems

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong, as parts of a sentence."""
        database = self.liveness.database
        if self.liveness.is_standby:
            return [*([_DATABASE[database]] if database in _DATABASE else []), *self.liveness.problems]
        away = [_DATABASE[database]] if database is DatabaseState.AWAY else []
        providers = [
            f"{name} {_PROVIDER[state]}" for name, state in self.providers.items() if state in _PROVIDER
        ]
        since = f" since {_shown(self.telegram_since)}" if self.telegram_since else ""
        match self.telegram:
            case TelegramState.OK:
                telegram = []
            case TelegramState.CONNECTING:
                telegram = [f"Telegram has not been reached{since}"]
            case TelegramState.AWAY:
                telegram = [f"Telegram has been away{since}"]
        return [*away, *self.liveness.problems, *telegram, *providers]

    def as_json(self) -> dict[str, object]:
        """The body of /readyz."""
        well = "The bot is ready: it is alive, and Telegram and the providers respond."
        if self.liveness.is_standby:
            well = f"The bot is ready to lead: it stands by, {self.who_leads}."
        found = self.liveness.as_json() | {
            "ok": self.is_ok,
            "summary": well if self.is_ok else f"The bot is not ready: {'; '.join(self.problems)}.",
        }
        if not self.liveness.is_standby:
            found |= {"telegram": self.telegram, "providers": dict(self.providers)}
        return found | (self.leadership.as_json() if self.leadership else {})

    @property
    def who_leads(self) -> str:
        """A part of a sentence about the process that leads."""
        leader = self.leadership.leader if self.leadership else None
        return f"and {leader} leads" if leader else "and no process leads now"


def _shown(at: datetime) -> str:
    """The time in the zone of TZ, with the day unless that is today."""
    local, today = at.astimezone(), datetime.now(UTC).astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%d %b %H:%M}"

"""What /livez and /readyz tell: states in fixed words, and a sentence about them; never foreign text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bot.health.store_check import DatabaseState
from bot.watching.gateway_state import GatewayStatus

_DATABASE = {
    DatabaseState.FULL: "the disk of the database is full or fails",
    DatabaseState.FAILING: "the database cannot be written",
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


class TelegramState(StrEnum):
    """Whether Telegram responds."""

    OK = "ok"
    CONNECTING = "connecting"  # it has not responded since the start
    AWAY = "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Whether this process does its work, whoever else is away."""

    database: DatabaseState
    loops: Mapping[str, LoopState]  # those that have begun to run

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
        """What is wrong, as parts of a sentence."""
        database = [_DATABASE[self.database]] if self.database in _DATABASE else []
        hung = [f"the loop {loop} hangs" for loop, state in self.loops.items() if state is LoopState.HUNG]
        return database + hung

    def as_json(self) -> dict[str, object]:
        """The body of /livez."""
        well = "The bot is alive: its loops run and the database takes writes."
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

    @property
    def is_ok(self) -> bool:
        """Whether the process is alive, and Telegram and all providers respond, as far as known."""
        return not self.problems

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong, as parts of a sentence."""
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
        return [*self.liveness.problems, *telegram, *providers]

    def as_json(self) -> dict[str, object]:
        """The body of /readyz."""
        well = "The bot is ready: it is alive, and Telegram and the providers respond."
        return self.liveness.as_json() | {
            "ok": self.is_ok,
            "summary": well if self.is_ok else f"The bot is not ready: {'; '.join(self.problems)}.",
            "telegram": self.telegram,
            "providers": dict(self.providers),
        }


def _shown(at: datetime) -> str:
    """The time in the zone of TZ, with the day unless that is today."""
    local, today = at.astimezone(), datetime.now(UTC).astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%d %b %H:%M}"

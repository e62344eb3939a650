"""What the leader knows that the other replicas show and check, as it passes through the database."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn, Protocol

from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from storage.errors import LeadershipLost, StoreError

log = logging.getLogger(__name__)

_WRITE_S = 1.0  # between two comparisons with what is written


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderState:
    """The gateways as the leader's polls found them, and the code for the first admin."""

    gateways: tuple[GatewayReport, ...] = ()
    first_admin: str | None = field(default=None, repr=False)  # the code's hash; None: none is awaited

    def to_json(self) -> str:
        """For the database."""
        gateways = [
            {
                "names": each.names,
                "host": each.host,
                "status": each.status,
                "since": each.since.isoformat(),
                "http_status": each.http_status,
                "redirect_to": each.redirect_to,
            }
            for each in self.gateways
        ]
        return json.dumps({"gateways": gateways, "first_admin": self.first_admin})

    @classmethod
    def from_json(cls, text: str | None) -> "LeaderState":
        """What to_json() has written; empty if that was another version's, or None."""
        try:
            found = json.loads(text or "{}")
            gateways = tuple(
                GatewayReport(
                    names=tuple(each["names"]),
                    host=each["host"],
                    status=GatewayStatus(each["status"]),
                    since=datetime.fromisoformat(each["since"]),
                    http_status=each["http_status"],
                    redirect_to=each["redirect_to"],
                )
                for each in found.get("gateways", ())
            )
            first_admin = found.get("first_admin")
            return cls(gateways=gateways, first_admin=None if first_admin is None else str(first_admin))
        except (ValueError, LookupError, TypeError, AttributeError):
            return cls()


class KnownGateways:
    """The gateways' states as this process knows them: by its own polls, or those of the leader."""

    def __init__(self) -> None:
        self.own: GatewayStates | None = None  # while this process leads
        self.written: Sequence[GatewayReport] = ()  # by the leader, as last read

    def reports(self) -> Sequence[GatewayReport]:
        """The state of each key."""
        return self.written if self.own is None else self.own.reports()

    def own_reports(self) -> Sequence[GatewayReport]:
        """The same as far as this process has found out itself."""
        return () if self.own is None else self.own.reports()

    def problem_of(self, provider: str) -> str | None:
        """The status of a provider whose tasks can't be polled; None: no known problem."""
        found = next((each.status for each in self.reports() if provider in each.names), None)
        return found if found is not None and found.is_bad else None


class WrittenStore(Protocol):
    """The part of the store that keeps the state."""

    async def save_leader_state(self, state: str) -> None:
        """Save the text; raises StoreError."""
        ...


async def keep_written(
    store: WrittenStore,
    state: Callable[[], LeaderState],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NoReturn:
    """Write the state whenever it has changed, until cancelled; raises LeadershipLost."""
    written = None
    while True:
        text = state().to_json()
        if text != written:
            try:
                await store.save_leader_state(text)
            except LeadershipLost:
                raise
            except StoreError as error:
                log.debug("The leader's state is not written: %s", error)  # polling logs the outage
            else:
                written = text
        await sleep(_WRITE_S)

"""Measures the gateways' clock skew by the Date header of their responses."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.providers.parsing.response import http_date
from storage.models import Snapshot

log = logging.getLogger(__name__)

TOLERATED_S = 60.0
_CHECK_S = 60.0
_CONFIRM_S = 5.0  # until the next header is read, while the last two disagree


@dataclass(slots=True)
class _Clock:
    """One gateway's clock."""

    check_at: float = 0.0
    date: str = ""  # the last header that was read
    measured_s: float | None = None
    ahead_s: float = 0.0  # what times are corrected by
    confirmed_s: float = 0.0  # what two consecutive measurements agreed on; logged


class ClockSkews:
    """The clock skews of all gateways by origin; a header is read once a minute.

    A single measurement is used until another contradicts it; then two consecutive ones have to agree.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._by_origin: dict[str, _Clock] = {}  # no more than there are gateways

    def ahead_s(self, url: str, headers: Mapping[str, str]) -> float:
        """Seconds by which the server's clock is ahead, measured by a response; 0: by less than a minute."""
        origin = url[: url.find("/", 8)]
        found = self._by_origin.get(origin)
        if found is None:
            found = self._by_origin[origin] = _Clock()
        now = self._monotonic()
        if now >= found.check_at:
            found.check_at = now + (_CHECK_S if self._is_sure(origin, found, headers) else _CONFIRM_S)
        return found.ahead_s

    def found(self) -> dict[str, float]:
        """The clocks that differ by more than a minute, by origin."""
        return {_shown(origin): each.ahead_s for origin, each in self._by_origin.items() if each.ahead_s}

    def _is_sure(self, origin: str, found: _Clock, headers: Mapping[str, str]) -> bool:
        """Read a response's Date header; return whether it confirms the last measurement."""
        date = headers.get("date", "")
        parsed = http_date(date)
        if parsed is None or date == found.date or "age" in headers:
            return False  # none, or from a cached response
        measured_s = (parsed - self._clock()).total_seconds()
        before_s, found.date, found.measured_s = found.measured_s, date, measured_s
        if before_s is None:
            found.ahead_s = measured_s if abs(measured_s) > TOLERATED_S else 0.0
            return found.ahead_s == 0
        if abs(measured_s - before_s) > TOLERATED_S:
            found.ahead_s = found.confirmed_s
            return False
        if abs(measured_s - found.confirmed_s) > TOLERATED_S:
            found.confirmed_s = measured_s if abs(measured_s) > TOLERATED_S else 0.0
            log.warning("The clock of %s %s", _shown(origin), _description(found.confirmed_s))
        found.ahead_s = found.confirmed_s
        return True


def _description(ahead_s: float) -> str:
    if ahead_s == 0:
        return "agrees with this machine's again."
    side = "ahead of" if ahead_s > 0 else "behind"
    return f"is {abs(ahead_s):.0f} s {side} this machine's; ages are corrected by that."


def corrected(snapshot: Snapshot, ahead_s: float) -> Snapshot:
    """Subtract the clock skew from a snapshot's times; a link's expiry is not changed."""
    if ahead_s == 0:
        return snapshot
    submitted, started, finished = (
        None if at is None else _earlier(at, ahead_s)
        for at in (snapshot.submitted_at, snapshot.started_at, snapshot.finished_at)
    )
    return replace(
        snapshot,
        submitted_at=submitted,
        started_at=started,
        finished_at=finished,
        clock_ahead_s=ahead_s,
    )


def _earlier(at: datetime, seconds: float) -> datetime | None:
    try:
        return at - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _shown(origin: str) -> str:
    """The origin without a name and password."""
    scheme, _, rest = origin.partition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}"

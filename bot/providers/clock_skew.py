"""Measures the gateways' clock skew by the Date header of their responses, and corrects their times."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.logs import log_fields
from bot.providers.parsing.response import http_date
from storage.models import Snapshot

log = logging.getLogger(__name__)

TOLERATED_S = 60.0  # a smaller skew is not corrected
_CHECK_S = 60.0  # until the next header is read
_LAST_YEAR = 2100  # that a clock may show: times beyond 9999 can't be calculated with
_CONFIRM_S = 5.0  # the same, while the last two disagree


@dataclass(slots=True)
class _Skew:
    """One gateway's clock skew; seconds by which its clock is ahead."""

    check_at: float = 0.0  # when the next header is read, in seconds of the monotonic clock
    date: str = ""  # the last header that was read
    measured_s: float | None = None  # by that header
    ahead_s: float = 0.0  # what times are corrected by
    confirmed_s: float = 0.0  # what two consecutive measurements agreed on; logged


class ClockSkews:
    """The clock skews of all gateways by origin.

    1. Once a minute a Date header is compared with this machine's clock.
    2. The first measurement is used at once; any later one only if the one before it agrees.
    3. While two disagree, the last confirmed skew is used, and the next header is read after five seconds.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._by_origin: dict[str, _Skew] = {}  # no more than there are gateways

    def ahead_s(self, url: str, headers: Mapping[str, str]) -> float:
        """Seconds by which the server's clock is ahead, measured by a response; 0: by less than a minute."""
        origin = url[: url.find("/", 8)]
        skew = self._by_origin.get(origin)
        if skew is None:
            skew = self._by_origin[origin] = _Skew()
        now = self._monotonic()
        if now >= skew.check_at:
            skew.check_at = now + (_CHECK_S if self._measure(origin, skew, headers) else _CONFIRM_S)
        return skew.ahead_s

    def measured(self) -> dict[str, float]:
        """The skews of more than a minute, by origin, in seconds."""
        return {_shown(origin): skew.ahead_s for origin, skew in self._by_origin.items() if skew.ahead_s}

    def _measure(self, origin: str, skew: _Skew, headers: Mapping[str, str]) -> bool:
        """Measure the skew by a response's Date header; return whether it confirms the last measurement."""
        date = headers.get("date", "")
        parsed = http_date(date)
        if parsed is None or parsed.year > _LAST_YEAR or date == skew.date or "age" in headers:
            return False  # none, or from a cached response
        measured_s = (parsed - self._clock()).total_seconds()
        before_s, skew.measured_s, skew.date = skew.measured_s, measured_s, date
        if before_s is None:
            skew.ahead_s = measured_s if abs(measured_s) > TOLERATED_S else 0.0
            return skew.ahead_s == 0
        if abs(measured_s - before_s) > TOLERATED_S:
            skew.ahead_s = skew.confirmed_s
            return False
        if abs(measured_s - skew.confirmed_s) > TOLERATED_S:
            skew.confirmed_s = measured_s if abs(measured_s) > TOLERATED_S else 0.0
            log.warning(
                "The clock of %s %s",
                _shown(origin),
                _description(skew.confirmed_s),
                extra=log_fields(None, "clock_skew", host=_shown(origin)),
            )
        skew.ahead_s = skew.confirmed_s
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

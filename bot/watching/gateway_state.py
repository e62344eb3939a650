"""The health of each gateway, per key and host, derived from the polls of its tasks.

The state becomes bad when different tasks fail for some time without a snapshot in between, and good with the
first snapshot or unknown id. A task that fails while others succeed does not count against the gateway.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.log_lines import spelled
from bot.logs import log_fields
from bot.providers.base import AuthFailed, ProviderError, Unavailable
from bot.proxies.diagnosis import ProxyFault
from storage.models import Cause

log = logging.getLogger(__name__)

_CONFIRMED_AFTER_S = 30.0  # a shorter outage is not reported
_KEY_CONFIRMED_AFTER_S = 3.0  # key problems do not go away by themselves
_LEAST_FAILURES = 2  # before a state is bad


class GatewayStatus(StrEnum):
    """The state of a gateway."""

    UNKNOWN = "unknown"  # not polled since the start
    UP = "up"
    KEY = "key"  # the key is rejected, or lacks permission
    QUOTA = "quota"  # quota or credit exhausted
    AWAY = "away"  # no response, or 5xx
    PROXY = "proxy"  # the bot's own proxy does not work
    ODD = "odd"  # invalid responses

    @property
    def is_bad(self) -> bool:
        """Whether tasks can't be polled."""
        return self not in {GatewayStatus.UNKNOWN, GatewayStatus.UP}


_PROBLEMS = {
    GatewayStatus.KEY: "rejects the API key",
    GatewayStatus.QUOTA: "says that the quota or the credit is used up",
    GatewayStatus.AWAY: "does not respond",
    GatewayStatus.PROXY: "can't be reached",
    GatewayStatus.ODD: "sends responses that can't be understood",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReport:
    """A gateway's state at one moment."""

    names: tuple[str, ...]  # of the providers behind the key
    host: str
    status: GatewayStatus
    since: datetime
    found_at: datetime | None = None  # when the bot found out; cards sent before do not show it
    http_status: int | None = None  # of the last failed poll; None: no response
    redirect_to: str | None = None  # target of the last failed poll's redirect: a host, or an https URL
    proxy_fault: ProxyFault | None = None  # of the last failed poll, if the bot's own proxy does not work
    is_doubtful: bool = False  # polls fail, but not yet for long enough to be sure

    is_proxy: bool = False  # the bot's own proxy, not a gateway

    @property
    def id(self) -> str:
        """A unique id that does not contain the key."""
        return f"{self.host} {','.join(self.names)}"


class GatewayState:
    """The state of one key at one host."""

    def __init__(
        self,
        names: Iterable[str],
        host: str,
        *,
        at: datetime,
        waiting: Callable[[Collection[str]], int] = lambda _names: 0,
    ) -> None:
        """waiting: provider names → number of their tasks being polled."""
        self._waiting = waiting
        self._found: set[GatewayStatus] = set()  # since it was up
        self._names = tuple(sorted(names))
        self._host = host
        self._status = GatewayStatus.UNKNOWN
        self._since = at
        self._found_at: datetime | None = None
        self._http_status: int | None = None
        self._succeeding: set[int] = set()  # tasks whose last poll brought a snapshot
        self._failing: set[int] = set()  # tasks whose last poll failed
        self._evidence: set[int] = set()  # tasks that failed since the last snapshot
        self._has_succeeded_before = False  # one of them had succeeded before
        self._failures = 0  # since the last snapshot
        self._first_failed_at = at
        self._last_failure = GatewayStatus.AWAY
        self._redirect_to: str | None = None
        self._proxy_fault: ProxyFault | None = None
        self._proxy_trouble = ""  # a sentence, for the log

    def on_poll(self, task_id: int, error: ProviderError | None, *, at: datetime) -> None:
        """A poll ended, with a snapshot or an error."""
        if error is None or error.cause is Cause.TASK_MISSING:
            self._on_response(task_id, is_snapshot=error is None, at=at)
        elif error.cause is not Cause.RATE_LIMITED:
            self._on_failure(task_id, error, at=at)

    def report(self, at: datetime) -> GatewayReport:
        """The state now."""
        self._confirm(at)
        return GatewayReport(
            names=self._names,
            host=self._host,
            status=self._status,
            since=self._since,
            found_at=self._found_at,
            http_status=self._http_status if self._status.is_bad else None,
            redirect_to=self._redirect_to if self._status.is_bad else None,
            proxy_fault=self._proxy_fault if self._status is GatewayStatus.PROXY else None,
            is_doubtful=not self._status.is_bad and self._is_gateways_fault(),
        )

    def forget(self, task_id: int) -> None:
        """Drop a task that has ended or is no longer polled here."""
        for tasks in (self._succeeding, self._failing, self._evidence):
            tasks.discard(task_id)

    def _on_response(self, task_id: int, *, is_snapshot: bool, at: datetime) -> None:
        self._failing.discard(task_id)
        self._evidence.clear()
        self._failures = 0
        self._has_succeeded_before = False
        if is_snapshot:
            self._succeeding.add(task_id)
        if self._status is not GatewayStatus.UP:
            if self._status.is_bad:
                self._log_up((at - self._since).total_seconds())
            self._found.clear()
            self._status, self._since, self._found_at = GatewayStatus.UP, at, at

    def _on_failure(self, task_id: int, error: ProviderError, *, at: datetime) -> None:
        if not self._evidence:
            self._first_failed_at = at
        self._has_succeeded_before |= task_id in self._succeeding
        self._succeeding.discard(task_id)
        self._failing.add(task_id)
        self._evidence.add(task_id)
        self._failures += 1
        self._last_failure, self._http_status = _status_of(error), error.http_status
        self._redirect_to = error.message if error.cause.is_redirect else None
        self._proxy_fault, self._proxy_trouble = error.proxy_fault, error.message
        self._confirm(at)

    def _confirm(self, at: datetime) -> None:
        status = self._last_failure
        if not self._is_gateways_fault() or self._status is status:
            return
        is_key = status in {GatewayStatus.KEY, GatewayStatus.QUOTA}
        bound_s = _KEY_CONFIRMED_AFTER_S if is_key else _CONFIRMED_AFTER_S
        if self._status.is_bad or (at - self._first_failed_at).total_seconds() >= bound_s:
            self._since = self._since if self._status.is_bad else self._first_failed_at
            self._status = status
            if status not in self._found:  # a proxy before the gateway may alternate between two
                self._found.add(status)
                self._found_at = at
                self._log_down(status)

    def _is_gateways_fault(self) -> bool:
        """Whether the failures can't be explained by single tasks."""
        if self._failures < _LEAST_FAILURES or len(self._evidence) < min(
            2, len(self._succeeding) + len(self._failing)
        ):
            return False
        return self._has_succeeded_before or not self._succeeding

    def _log_down(self, status: GatewayStatus) -> None:
        details = [f"HTTP {self._http_status}"] if self._http_status else []
        details += [f"redirected to {self._redirect_to}"] if self._redirect_to else []
        details += [self._proxy_trouble] if self._proxy_fault else []
        waiting = self._waiting(self._names)
        log.warning(
            "Gateway %s (%s) %s%s; tasks that wait for it: %d",
            self._host,
            ", ".join(self._names),
            _PROBLEMS[status],
            f" ({', '.join(details)})" if details else "",
            waiting,
            extra=log_fields(
                None,
                "gateway_down",
                provider=", ".join(self._names),
                host=self._host,
                cause=status,
                http_status=self._http_status,
                waiting=waiting,
            ),
        )

    def _log_up(self, after_s: float) -> None:
        waiting = self._waiting(self._names)
        log.info(
            "Gateway %s (%s) works again after %s; tasks that waited for it: %d",
            self._host,
            ", ".join(self._names),
            spelled(after_s),
            waiting,
            extra=log_fields(
                None,
                "gateway_up",
                provider=", ".join(self._names),
                host=self._host,
                after_s=round(after_s, 1),
                waiting=waiting,
            ),
        )


class GatewayStates:
    """The states of all keys; empty until polling has been set up."""

    def __init__(self, *, clock: Callable[[], datetime], proxy: str | None = None) -> None:
        """proxy: the one to all gateways, as it is shown."""
        self._clock = clock
        self._proxy = proxy
        # Provider names → number of their tasks being polled; set once there is a scheduler.
        self.count_waiting: Callable[[Collection[str]], int] = lambda _names: 0
        self._states: list[GatewayState] = []
        self._by_name: dict[str, GatewayState] = {}

    def add(self, names: Sequence[str], host: str) -> GatewayState:
        """Add a key that these providers share at a host."""
        state = GatewayState(names, host, at=self._clock(), waiting=self._waiting)
        self._states.append(state)
        self._by_name |= dict.fromkeys(names, state)
        return state

    def _waiting(self, names: Collection[str]) -> int:
        return self.count_waiting(names)

    def problem_of(self, provider: str) -> str | None:
        """The status of a provider whose tasks can't be polled; None: no known problem."""
        state = self._by_name.get(provider)
        status = state.report(self._clock()).status if state else GatewayStatus.UNKNOWN
        return status if status.is_bad else None

    def reports(self) -> list[GatewayReport]:
        """The state of each key now."""
        return [state.report(self._clock()) for state in self._states]

    def proxy_report(self) -> GatewayReport | None:
        """The state of the proxy, as a gateway that all others are behind; None: no proxy, or unknown."""
        reports = self.reports()
        failing = [report for report in reports if report.status is GatewayStatus.PROXY]
        found = failing or [report for report in reports if report.status is GatewayStatus.UP]
        if self._proxy is None or not found:
            return None
        return replace(
            found[0],
            names=tuple(sorted(name for report in reports for name in report.names)),
            host=self._proxy,
            since=min(report.since for report in found),
            is_proxy=True,
        )


def _status_of(error: ProviderError) -> GatewayStatus:
    if error.cause is Cause.KEY_EXHAUSTED:
        return GatewayStatus.QUOTA
    if error.cause is Cause.PROXY:
        return GatewayStatus.PROXY
    if isinstance(error, AuthFailed):
        return GatewayStatus.KEY
    return GatewayStatus.AWAY if isinstance(error, Unavailable) else GatewayStatus.ODD

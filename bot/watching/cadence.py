"""When to look next: a fixed pace per wire format, slower while looks fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from bot.providers.base import AuthFailed, ProviderError, RateLimited, TaskMissing
from storage.models import Cause, Task

_KINDS = MappingProxyType({"videos": 20.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How long to wait between two looks at one task; all in seconds."""

    pace_s: float = 15.0  # what gateways advise; new-api asks its upstream no oftener
    pace_by_kind_s: Mapping[str, float] = field(default_factory=lambda: _KINDS)
    recheck_s: float = 5.0  # an id that the gateway does not know, not yet or not any more
    slowest_s: float = 120.0  # while the gateway is away or talks nonsense
    mend_s: float = 300.0  # while a person has to mend something

    def after_look(self, task: Task, kind: str, *, at: datetime) -> datetime | None:
        """The next look at a task that has just been seen; None when it is final."""
        return None if task.status.is_final else at + timedelta(seconds=self._pace(kind))

    def after_failure(self, task: Task, kind: str, error: ProviderError, *, at: datetime) -> datetime | None:
        """The next look after one that failed; None when the task is final."""
        if task.status.is_final:
            return None
        match error:
            case AuthFailed():
                wait_s = self.mend_s
            case RateLimited() if error.retry_after_s:
                wait_s = self._pace(kind)
            case _ if error.cause is Cause.ROUTE_MISSING:
                wait_s = self.mend_s
            case TaskMissing():
                wait_s = self.recheck_s
            case _:
                wait_s = min(self._pace(kind) * 2 ** min(task.failures - 1, 10), self.slowest_s)
        return at + timedelta(seconds=max(wait_s, error.retry_after_s or 0))

    def _pace(self, kind: str) -> float:
        return self.pace_by_kind_s.get(kind, self.pace_s)

"""Who decides whom to ask when many tasks share one key: the bot's own parts, and what others do."""

from collections import Counter, OrderedDict
from typing import Protocol

from bot.polling.agenda import Agenda
from bot.polling.budget import Budget
from bot.polling.scheduler import RENEW_S
from bot.providers.base import ProviderError
from bot.watching.cadence import PRICE_S, SPARE_PRICE_S
from bot.watching.outlook import Outlook
from storage.models import Task
from tests.bench.simulation.desk import Desk, Job


class Policy(Protocol):
    """Chooses which tasks to ask for."""

    def register(self, job: Job, now: float) -> None:
        """A task is to be followed."""

    def choose(self, now: float) -> list[int]:
        """The tasks to ask for now."""

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """A question came back; the task is over if it ended before it was asked."""


class Ours:
    """The bot's budget, agenda and desk, wired as its scheduler and its book wire them."""

    def __init__(self, max_rps: float | None, *, pays_first_looks: bool = True) -> None:
        """pays_first_looks: False: each task comes looked at, so that its model is known, and its life."""
        self.budget = Budget(max_rps)
        self._pays_first_looks = pays_first_looks
        self._desk = Desk(price_s=PRICE_S if max_rps is None else SPARE_PRICE_S)
        self._agenda = Agenda(self._urgency)
        self._tasks: dict[int, tuple[Job, Task]] = {}
        self._outlooks: dict[int, Outlook] = {}
        self._in_flight: Counter[int] = Counter()  # by chat
        self._crowds: dict[int, int] = {}  # by task, as of the last renewal
        self._renew_at = RENEW_S

    def register(self, job: Job, now: float) -> None:
        """Put the task on the agenda."""
        self._in_flight[job.chat] += 1
        self._crowds[job.id] = self._in_flight[job.chat]
        task = self._desk.register(job, now)
        if self._pays_first_looks:
            self._keep(job, task, now)
        else:
            self._keep(job, *self._desk.seen(task, job, now))

    def choose(self, now: float) -> list[int]:
        """Take the most urgent tasks, as many as the key allows; now and then, count the crowds anew."""
        if now >= self._renew_at:
            self._renew_at = now + RENEW_S
            self._crowds = {job.id: self._in_flight[job.chat] for job, _ in self._tasks.values()}
        chosen = self._agenda.take(self.budget.allowance(now), now=now)
        for _ in chosen:
            self.budget.asked(now)
        return chosen

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Learn from the answer, and put the task on the agenda again."""
        self.budget.answered(now, error, asked_at=asked_at)
        _, task = self._tasks[job.id]
        if error is not None:
            self._keep(job, *self._desk.failed(task, error, now))
            return
        after, due = self._desk.seen(task, job, asked_at)
        if after.status.is_final:
            self._in_flight[job.chat] -= 1
            del self._tasks[job.id], self._outlooks[job.id], self._crowds[job.id]
        else:
            self._keep(job, after, due)

    def _keep(self, job: Job, task: Task, due: float) -> None:
        self._tasks[job.id] = (job, task)
        self._outlooks[job.id] = self._desk.outlook(task)
        self._agenda.put(job.id, due)

    def _urgency(self, job_id: int, now: float) -> float:
        return self._outlooks[job_id].urgency(now, in_flight=self._crowds[job_id])


class RoundRobin:
    """Asks for everything in turn, as fast as the cap allows, which it knows."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = 0.0
        self._filled_at = 0.0
        self._turn: OrderedDict[int, None] = OrderedDict()

    def register(self, job: Job, now: float) -> None:
        """Stand last in the row."""
        self._turn[job.id] = None

    def choose(self, now: float) -> list[int]:
        """The first of the row."""
        self._tokens = min(self._tokens + self._rate * (now - self._filled_at), self._rate)
        self._filled_at = now
        chosen = [self._turn.popitem(last=False)[0] for _ in range(min(int(self._tokens), len(self._turn)))]
        self._tokens -= len(chosen)
        return chosen

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Stand last again, unless the task is over."""
        if error is not None or job.ends > asked_at:
            self._turn[job.id] = None


class Fixed:
    """Asks for each task every so often, whatever the gateway says."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._agenda = Agenda(lambda _id, _now: 0.0)

    def register(self, job: Job, now: float) -> None:
        """Ask a gap from now."""
        self._agenda.put(job.id, now + self._gap_s)

    def choose(self, now: float) -> list[int]:
        """All that are due."""
        return self._agenda.take(len(self._agenda), now=now)

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Ask a gap after the last question, unless the task is over."""
        if error is not None or job.ends > asked_at:
            self._agenda.put(job.id, asked_at + self._gap_s)

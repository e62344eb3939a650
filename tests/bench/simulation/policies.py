"""Who decides whom to ask when many tasks share one key: the bot's own parts, and what others do."""

from collections import Counter, OrderedDict
from dataclasses import replace
from typing import Protocol

from bot.polling.agenda import Agenda
from bot.polling.book import Book, Line
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.polling.scheduler import RENEW_S
from bot.providers.base import ProviderError
from bot.watching.cadence import PRICE_S, SPARE_PRICE_S
from tests.bench.simulation.desk import PROVIDER, Desk, Job, time_at
from tests.fakes.provider import ScriptedProvider


class Policy(Protocol):
    """Chooses which tasks to ask for."""

    def register(self, job: Job, now: float) -> None:
        """A task is to be followed."""

    def choose(self, now: float) -> list[int]:
        """The tasks to ask for now."""

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """A question came back; the task is over if it ended before it was asked."""


class Ours:
    """The bot's limiter, book and desk, wired as its scheduler wires them."""

    def __init__(self, max_rps: float | None, *, pays_first_looks: bool = True) -> None:
        """pays_first_looks: False: each task comes looked at, so that its model is known, and its life."""
        self._pays_first_looks = pays_first_looks
        self._desk = Desk(price_s=PRICE_S if max_rps is None else SPARE_PRICE_S)
        provider = ScriptedProvider({}, name=PROVIDER)
        self._line = Line(providers={PROVIDER: provider}, limiter=AdaptiveRateLimiter(max_rps))
        self._book = Book([self._line], self._desk.outlook)
        ((_, self._agenda),) = self._book.agendas
        self._chats: dict[int, int] = {}  # by task
        self._in_flight: Counter[int] = Counter()  # by chat
        self._renew_at = RENEW_S

    def register(self, job: Job, now: float) -> None:
        """Put the task on the agenda."""
        self._in_flight[job.chat] += 1
        self._chats[job.id] = job.chat
        task = replace(self._desk.register(job, now), crowd=self._in_flight[job.chat])
        due = now
        if not self._pays_first_looks:
            task, due = self._desk.seen(task, job, now)
        self._book.take_in(replace(task, next_look_at=time_at(due)))

    def choose(self, now: float) -> list[int]:
        """Take the most urgent tasks, as many as the key allows; now and then, count the crowds anew."""
        if now >= self._renew_at:
            self._renew_at = now + RENEW_S
            tasks = self._book.leased()
            crowds = {task.id: self._in_flight[self._chats[task.id]] for task in tasks}
            self._book.renewed(tasks, crowds, until=time_at(self._renew_at))
        wall = time_at(now).timestamp()
        chosen = self._book.next_polls(self._line, self._agenda, now=now, wall=wall)
        for job_id in chosen:
            self._line.limiter.on_request(now, job_id)
            self._book.begin(job_id)
        return chosen

    def answered(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Learn from the answer, and put the task on the agenda again."""
        freed = self._line.limiter.on_response(now, job.id, error, requested_at=asked_at)
        task = self._book.begin(job.id)
        if error is not None:
            after, due = self._desk.failed(task, error, now)
        else:
            after, due = self._desk.seen(task, job, asked_at)
        if after.status.is_final:
            self._in_flight[job.chat] -= 1
        next_look_at = None if after.status.is_final else time_at(due)
        self._book.end(replace(after, next_look_at=next_look_at), self._desk.ahead(task, after))
        self._book.free(freed, at=time_at(now))


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

"""Scheduling policies for many tasks on one key: the bot's own scheduler, and others."""

from collections import Counter, OrderedDict
from dataclasses import replace
from random import Random
from typing import Protocol

from bot.polling.due_queue import DueQueue
from bot.polling.leased_tasks import KeyGroup, LeasedTasks
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.polling.scheduler import RENEW_S
from bot.providers.base import ProviderError
from bot.watching.cadence import POLL_PRICE_S, SPARE_POLL_PRICE_S
from tests.bench.simulation.simulated_bot import PROVIDER, Job, SimulatedBot, time_at
from tests.fakes.provider import ScriptedProvider

_SEED = 1  # of the jitter


class Policy(Protocol):
    """Chooses which tasks to poll."""

    def register(self, job: Job, now: float) -> None:
        """Add a task."""

    def choose(self, now: float) -> list[int]:
        """The tasks to poll now."""

    def on_response(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Handle a response; the task has ended if it ended before the request."""


class Ours:
    """The bot's rate limiter, leased tasks and simulated bot, wired like its scheduler."""

    def __init__(self, max_rps: float | None, *, pays_first_polls: bool = True) -> None:
        """pays_first_polls: False: each task is polled before it is added, so its model is known."""
        self._pays_first_polls = pays_first_polls
        self._simulated_bot = SimulatedBot(price_s=POLL_PRICE_S if max_rps is None else SPARE_POLL_PRICE_S)
        provider = ScriptedProvider({}, name=PROVIDER)
        self._line = KeyGroup(
            providers={PROVIDER: provider}, limiter=AdaptiveRateLimiter(max_rps, random=Random(_SEED))
        )
        self._leased = LeasedTasks([self._line], self._simulated_bot.predict)
        ((_, self._agenda),) = self._leased.queues
        self._chats: dict[int, int] = {}  # by task
        self._in_flight: Counter[int] = Counter()  # by chat
        self._renew_at = RENEW_S

    def register(self, job: Job, now: float) -> None:
        """Add the task to the due queue."""
        self._in_flight[job.chat] += 1
        self._chats[job.id] = job.chat
        task = replace(self._simulated_bot.register(job, now), chat_active_watches=self._in_flight[job.chat])
        due = now
        if not self._pays_first_polls:
            task, due = self._simulated_bot.on_snapshot(task, job, now)
        self._leased.add(replace(task, next_poll_at=time_at(due)))

    def choose(self, now: float) -> list[int]:
        """Pop the most urgent tasks within the rate limit; at intervals, update the watch counts."""
        if now >= self._renew_at:
            self._renew_at = now + RENEW_S
            tasks = self._leased.tasks()
            watch_counts = {task.id: self._in_flight[self._chats[task.id]] for task in tasks}
            self._leased.on_renewed(tasks, watch_counts, until=time_at(self._renew_at))
        wall = time_at(now).timestamp()
        chosen = self._leased.next_polls(self._line, self._agenda, now=now, wall=wall)
        for job_id in chosen:
            self._line.limiter.on_request(now, job_id)
            self._leased.start(job_id)
        return chosen

    def on_response(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Learn from the response, and add the task to the due queue again."""
        freed = self._line.limiter.on_response(now, job.id, error, requested_at=asked_at)
        task = self._leased.start(job.id)
        if error is not None:
            after, due = self._simulated_bot.on_failure(task, error, now)
        else:
            after, due = self._simulated_bot.on_snapshot(task, job, asked_at)
        if after.status.is_final:
            self._in_flight[job.chat] -= 1
        next_poll_at = None if after.status.is_final else time_at(due)
        self._leased.finish(
            replace(after, next_poll_at=next_poll_at), self._simulated_bot.predict_after(task, after)
        )
        self._leased.make_due(freed, at=time_at(now))


class RoundRobin:
    """Round robin at the rate limit, which it knows."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = 0.0
        self._filled_at = 0.0
        self._turn: OrderedDict[int, None] = OrderedDict()

    def register(self, job: Job, now: float) -> None:
        """Append the task to the queue."""
        self._turn[job.id] = None

    def choose(self, now: float) -> list[int]:
        """The head of the queue."""
        self._tokens = min(self._tokens + self._rate * (now - self._filled_at), self._rate)
        self._filled_at = now
        chosen = [self._turn.popitem(last=False)[0] for _ in range(min(int(self._tokens), len(self._turn)))]
        self._tokens -= len(chosen)
        return chosen

    def on_response(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Append the task again, unless it has ended."""
        if error is not None or job.ends > asked_at:
            self._turn[job.id] = None


class Fixed:
    """Polls each task at a fixed interval, whatever the response."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._agenda = DueQueue(lambda _id, _now: 0.0)

    def register(self, job: Job, now: float) -> None:
        """Poll an interval from now."""
        self._agenda.push(job.id, now + self._gap_s)

    def choose(self, now: float) -> list[int]:
        """All that are due."""
        return self._agenda.pop_due(len(self._agenda), now=now)

    def on_response(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Poll an interval after the last request, unless the task has ended."""
        if error is not None or job.ends > asked_at:
            self._agenda.push(job.id, asked_at + self._gap_s)

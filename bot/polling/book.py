"""The tasks that this process has leased, and which of them to look at when; no I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.polling.agenda import Agenda
from bot.polling.budget import Budget
from bot.providers.base import Provider
from bot.watching.outlook import Outlook
from storage.models import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A key: the providers that it opens, by name, and what it allows."""

    providers: Mapping[str, Provider]
    budget: Budget


@dataclass(slots=True)
class Entry:
    """A leased task."""

    task: Task
    outlook: Outlook
    is_flying: bool = False  # its gateway is being asked at this moment
    asked_at: datetime | None = None  # when it was last heard that somebody waits for a look that is written


class Book:
    """Leased tasks by id, and the agenda of every line. Times in floats are seconds since 1970."""

    def __init__(self, lines: Sequence[Line], outlook: Callable[[Task], Outlook]) -> None:
        self._outlook = outlook
        self._entries: dict[int, Entry] = {}
        self._agendas = [(line, Agenda(self._urgency)) for line in lines]
        self._agenda_of = {name: agenda for line, agenda in self._agendas for name in line.providers}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def agendas(self) -> Sequence[tuple[Line, Agenda]]:
        """Each line with its tasks by the time of their next look."""
        return self._agendas

    def leased(self) -> list[Task]:
        """All tasks, as they were before the look that is under way."""
        return [entry.task for entry in self._entries.values()]

    def take_in(self, task: Task) -> None:
        """Hold a task that was leased; one without a next look is let go."""
        self._hold(task, self._outlook(task))

    def touch(self, task: Task, *, at: datetime) -> None:
        """People want a look now, or none any more; whoever has let the task go holds it again."""
        if task.next_look_at is None:
            self.drop(task.id)
            return
        entry = self._entries.get(task.id)
        if entry is None or not entry.is_flying:
            known = entry.task if entry else task  # what was seen since the last write counts
            self.take_in(replace(known, next_look_at=at))
        self._entries[task.id].asked_at = at

    def begin(self, task_id: int) -> Task:
        """The gateway is about to be asked."""
        entry = self._entries[task_id]
        entry.is_flying = True
        return entry.task

    def owes(self, task_id: int) -> bool:
        """Whether somebody waits for a look at the task."""
        entry = self._entries.get(task_id)
        return entry is not None and entry.asked_at is not None

    def paid(self, task: Task) -> None:
        """A look has been written; it is the answer for those who asked before the gateway gave it."""
        entry = self._entries.get(task.id)
        if entry and entry.asked_at and task.last_look_at and entry.asked_at <= task.last_look_at:
            entry.asked_at = None

    def end(self, task: Task, outlook: Outlook) -> None:
        """The look is over; if the task was not let go meanwhile, it is held on."""
        if task.id in self._entries:
            self._hold(task, outlook)

    def drop(self, task_id: int) -> None:
        """Let a task go."""
        entry = self._entries.pop(task_id, None)
        if entry is not None:
            self._agenda(entry.task).drop(task_id)

    def set_back(self, now: datetime) -> None:
        """The clock was set back to now: what seems to be registered or looked at later is due."""
        latest = now.timestamp()  # else nothing would be owed until then
        for entry in list(self._entries.values()):
            entry.asked_at = entry.asked_at and min(entry.asked_at, now)
            task, ahead = entry.task, entry.outlook
            if not entry.is_flying and (task.last_look_at or task.registered_at) > now:
                ahead = replace(ahead, born=min(ahead.born, latest), seen=min(ahead.seen, latest))
                self._hold(replace(task, next_look_at=now), ahead)

    def renewed(self, tasks: Sequence[Task], crowds: Mapping[int, int], until: datetime) -> None:
        """Note the new end of leases, and the crowds; tasks that another process has are let go."""
        for task in tasks:
            entry = self._entries.get(task.id)
            if entry is None or entry.task.version != task.version:
                continue  # looked at and written meanwhile
            if task.id in crowds:
                entry.task = replace(entry.task, lease_until=until, crowd=crowds[task.id])
            elif not entry.is_flying:  # what flies may have been written this moment
                self.drop(task.id)

    def _hold(self, task: Task, outlook: Outlook) -> None:
        if task.next_look_at is None:
            self.drop(task.id)
            return
        known = self._entries.get(task.id)
        self._entries[task.id] = Entry(task, outlook, asked_at=known.asked_at if known else None)
        self._agenda(task).put(task.id, task.next_look_at.timestamp())

    def _agenda(self, task: Task) -> Agenda:
        return self._agenda_of[task.ref.provider]

    def _urgency(self, task_id: int, now: float) -> float:
        entry = self._entries[task_id]
        return float("inf") if entry.asked_at else entry.outlook.urgency(now, in_flight=entry.task.crowd)

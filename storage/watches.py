"""The data types of watches: which chat follows which task, and the batches of one message. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storage.errors import WatchLimitReached
from storage.models import DeliveryState, Task, TaskRef


class WatchState(StrEnum):
    """The state of a watch."""

    ACTIVE = "active"  # waiting for the task to end
    FINISHED = "finished"  # the result was delivered, or given up for good
    STOPPED = "stopped"  # stopped by /unwatch or by the bot
    SUSPENDED = "suspended"  # the bot cannot write to the chat; resumed when it can again

    @property
    def is_over(self) -> bool:
        """Whether it no longer waits for the task, now or later."""
        return self in {WatchState.FINISHED, WatchState.STOPPED}


class Ending(StrEnum):
    """How a watch ended."""

    DONE = "done"  # with a task that succeeded
    FAILED = "failed"  # with a task that did not
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A chat (and topic) follows a task."""

    id: int
    task_id: int
    chat_id: int
    thread_id: int | None  # forum topic; None: the chat itself
    request_message_id: int | None  # the message with the command; results reply to it
    user_id: int | None  # who sent the command; None in channels
    language: str  # the chat's, if it has chosen one, else that of who sent the command
    created_at: datetime
    state: WatchState = WatchState.ACTIVE
    card_message_id: int | None = None  # None: the card has not been sent yet
    card_digest: str | None = None  # of the card's last text and buttons, to skip edits that change nothing
    result: DeliveryState | None = None  # final state of the result's delivery; None: not delivered yet
    stopped_by: str | None = None  # the name of who stopped it; None: the bot, or unknown
    batch_id: int | None = None  # the batch whose card shows it; None: it has a card of its own
    user_name: str | None = None  # the first name of who sent the command; None: unknown
    ended_at: datetime | None = None  # when it ended or was suspended


SMALLEST_BATCH = 4  # ids in one message that share one card


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The watches that one message started, which share one card."""

    id: int
    chat_id: int
    thread_id: int | None
    request_message_id: int | None
    user_id: int | None
    language: str
    created_at: datetime
    card_message_id: int | None = None  # None: the card has not been sent yet
    card_digest: str | None = None  # of the card's last text and buttons


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """The arguments of a /watch command."""

    ref: TaskRef
    chat_id: int
    thread_id: int | None
    message_id: int | None
    user_id: int | None
    language: str
    user_name: str | None = None  # the first name


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """The maximum numbers of active watches; None: unlimited."""

    per_chat: int | None = None
    per_person: int | None = None  # of one user in one shared chat


UNLIMITED = WatchLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTask:
    """A watch and the task it follows."""

    watch: Watch
    task: Task
    is_new: bool = False  # created or restarted by the add_watch() that returned it


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What became of the /watch requests of one message."""

    watched: tuple[WatchedTask, ...]  # in their order, without those that were refused
    refused: int = 0  # how many a limit refused
    limit: WatchLimitReached | None = None  # that limit

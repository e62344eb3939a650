"""A task at the make-believe gateway and how it moves."""

from dataclasses import dataclass, field
from enum import StrEnum

KINDS = ("alibailian", "newapi", "jimeng", "videos")


class Phase(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Served:
    """How the video's file is handed out."""

    content: bytes = field(repr=False)
    content_type: str = "video/mp4"
    cut_after: int | None = None  # bytes, after which the connection breaks
    ranges: bool = True  # parts are handed out as well
    redirect_to: str | None = None
    pause_s: float = 0.0  # before every 64 KiB
    downloads: int = 0  # begun


@dataclass(slots=True, kw_only=True)
class GatewayTask:
    """A task; change its fields to change what the gateway says."""

    kind: str
    task_id: str
    served: Served
    added_at: float  # unix seconds
    seconds: float | None  # from being added to the end; None: moves by hand only
    fails: str | None = None  # with this reason, instead of succeeding
    prompt: str = ""
    model: str = ""
    has_link: bool = True  # False, for `videos`: the file is at /content only
    by_hand: Phase | None = None  # overrules the clock
    looks: int = 0  # status queries answered

    @property
    def end(self) -> Phase:
        """What it comes to."""
        return Phase.SUCCEEDED if self.fails is None else Phase.FAILED

    @property
    def started_at(self) -> float:
        """When it leaves the queue: after a fifth of its time."""
        return self.added_at + (self.seconds or 0) / 5

    @property
    def ends_at(self) -> float:
        """When it is done."""
        return self.added_at + (self.seconds or 0)

    def phase(self, now: float) -> Phase:
        """Where it stands."""
        if self.by_hand is not None or self.seconds is None:
            return self.by_hand or Phase.QUEUED
        if now >= self.ends_at:
            return self.end
        return Phase.RUNNING if now >= self.started_at else Phase.QUEUED

    def progress(self, now: float) -> int:
        """How far it is, 0 to 100."""
        match self.phase(now):
            case Phase.QUEUED:
                return 0
            case Phase.RUNNING if self.seconds and self.by_hand is None:
                return min(int(100 * (now - self.started_at) / (self.ends_at - self.started_at)), 99)
            case Phase.RUNNING:
                return 50
            case _:
                return 100

    def advance(self, now: float) -> Phase:
        """Move one step on, and from then on by hand only."""
        following = {Phase.QUEUED: Phase.RUNNING, Phase.RUNNING: self.end}
        phase = self.phase(now)
        self.by_hand = following.get(phase, phase)
        return self.by_hand

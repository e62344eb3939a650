"""A task at the fake gateway and its phases."""

from dataclasses import dataclass, field
from enum import StrEnum

KINDS = ("alibailian", "newapi", "jimeng", "videos")


class Phase(StrEnum):
    """The phase of a task."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Progress(StrEnum):
    """How the progress of a running task behaves, where the wire format has one."""

    STEADY = "steady"
    STUCK = "stuck"  # at _STUCK_AT until the end
    NONE = "none"  # 0 until the end


_STUCK_AT = 60  # percent


@dataclass(slots=True, kw_only=True)
class ServedFile:
    """How the video file is served."""

    content: bytes = field(repr=False)
    cut_after: int | None = None  # bytes, after which the connection is closed
    redirect_to: str | None = None
    downloads: int = 0  # started


@dataclass(slots=True, kw_only=True)
class GatewayTask:
    """A task; its fields determine the gateway's responses."""

    kind: str
    task_id: str
    served: ServedFile
    added_at: float  # unix seconds
    seconds: float | None  # duration; None: it moves only by advance()
    fails: str | None = None  # with this reason, instead of succeeding
    prompt: str = ""
    model: str = ""
    has_link: bool = True  # False, for `videos`: the file is at /content only
    progress_style: Progress = Progress.STEADY
    forced_phase: Phase | None = None  # set by advance(); overrides the phase by time

    @property
    def end(self) -> Phase:
        """The final phase."""
        return Phase.SUCCEEDED if self.fails is None else Phase.FAILED

    @property
    def started_at(self) -> float:
        """When it leaves the queue: after a fifth of its duration."""
        return self.added_at + (self.seconds or 0) / 5

    @property
    def ends_at(self) -> float:
        """When it ends."""
        return self.added_at + (self.seconds or 0)

    def phase(self, now: float) -> Phase:
        """The phase at this time."""
        if self.forced_phase is not None or self.seconds is None:
            return self.forced_phase or Phase.QUEUED
        if now >= self.ends_at:
            return self.end
        return Phase.RUNNING if now >= self.started_at else Phase.QUEUED

    def progress(self, now: float) -> int:
        """The progress in percent, 0 to 100."""
        match self.phase(now):
            case Phase.QUEUED:
                return 0
            case Phase.RUNNING if self.seconds and self.forced_phase is None:
                return self._styled(int(100 * (now - self.started_at) / (self.ends_at - self.started_at)))
            case Phase.RUNNING:
                return self._styled(50)
            case _:
                return 100

    def _styled(self, percent: int) -> int:
        match self.progress_style:
            case Progress.NONE:
                return 0
            case Progress.STUCK:
                return min(percent, _STUCK_AT)
            case Progress.STEADY:
                return min(percent, 99)

    def advance(self, now: float) -> Phase:
        """Move to the next phase; from then on the task moves only by advance()."""
        following = {Phase.QUEUED: Phase.RUNNING, Phase.RUNNING: self.end}
        phase = self.phase(now)
        self.forced_phase = following.get(phase, phase)
        return self.forced_phase

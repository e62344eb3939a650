"""What a database holds, in short, and how a long operation reports its progress. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int, int], None]  # how much is done, of how much


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database holds."""

    schema: int
    watches: int  # active
    unsent: int  # deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What `check` tells about a database."""

    schema: int
    admins: frozenset[int]  # besides those of the settings
    allowed: int  # chats and users besides those of the settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSummary(Summary):
    """What `check` tells about a database on a PostgreSQL server; its schema is 0 before the first start."""

    server: str  # its version, such as 18.6
    round_trip_s: float  # of a statement that does nothing
    leader: str = ""  # host name and process id of the replica that leads
    standbys: int = 0  # replicas that stand by


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A database that was put in the place of another one."""

    contents: Contents
    kept: Path | None  # where the other one is now; None: there was none

"""The errors of the database.

StoreError
├── StoreUnavailable   cannot be opened, read or written
│   ├── StoreBusy      locked by another process
│   ├── StoreFull      the disk is full or fails
│   ├── StoreInUse     another process has it open
│   └── StoreUnreachable   its server can't be reached
├── StoreRefused       its server refuses the login, has no such database, or denies a right
├── LeadershipLost     another process may lead now
├── ImportRefused      an export that can't be imported, or a database that is not empty
├── StoreFromFuture    created by a newer version of the program
└── StoreCorrupt       not a database, or a damaged one
"""

import os
from pathlib import Path


class WatchLimitReached(Exception):
    """A chat, or a user in it, has reached its limit of active watches; not a failure of the database."""

    def __init__(self, limit: int, *, is_personal: bool) -> None:
        super().__init__(limit)
        self.limit = limit
        self.is_personal = is_personal


class StoreError(Exception):
    """A database operation failed; the message is one sentence for the operator."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, read or written at present."""


def not_made(path: Path, error: OSError) -> StoreUnavailable:
    """The error of a database that can't be made; of a lack of rights it names the user who lacks them."""
    reason = error.strerror
    if isinstance(error, PermissionError):
        folder = next((each for each in path.parents if os.access(each, os.X_OK)), path.parent)
        reason = f"user {os.geteuid()}, who runs this, may not write to {folder}"
    return StoreUnavailable(f"The database {path} cannot be made: {reason}.")


class StoreBusy(StoreUnavailable):
    """Another process has locked the database for longer than a call waits."""


class StoreFull(StoreUnavailable):
    """The disk is full or fails."""


class StoreInUse(StoreUnavailable):
    """Another process has the database open."""


class StoreUnreachable(StoreUnavailable):
    """The database's server can't be reached, or has closed the connection."""


class StoreRefused(StoreError):
    """The database's server refuses the login, has no such database or denies a right: waiting is no help."""


class LeadershipLost(StoreError):
    """Another process may lead now, so this one may neither write nor act."""


class ImportRefused(StoreError):
    """The export can't be imported, or not into this database; nothing was changed."""


class StoreFromFuture(StoreError):
    """The database was created by a newer version of the program."""


class StoreCorrupt(StoreError):
    """The file is damaged, or not a database of this program."""

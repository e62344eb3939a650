"""What can go wrong with the archive.

StoreError
├── StoreUnavailable   cannot be opened, or refuses to read or write
│   └── StoreFull      for want of room on the disk, or because the disk fails
├── StoreFromFuture    made by a newer version of the program
└── StoreCorrupt       not a database, or a damaged one
"""


class WatchLimitReached(Exception):
    """A chat, or a person there, watches as many tasks as it may; the store did what it was asked."""

    def __init__(self, limit: int, *, is_personal: bool) -> None:
        super().__init__(limit)
        self.limit = limit
        self.is_personal = is_personal


class StoreError(Exception):
    """The archive did not do what it was asked; the message is one sentence for the person who runs it."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, read or written at present."""


class StoreFull(StoreUnavailable):
    """The disk has no room, or fails."""


class StoreFromFuture(StoreError):
    """The database was made by a newer version of the program."""


class StoreCorrupt(StoreError):
    """The file is not a database of ours, or it is damaged."""

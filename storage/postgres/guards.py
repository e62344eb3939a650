"""Conditions on transactions, which are checked in the round trip of their BEGIN."""

from uuid import uuid4

from storage.errors import LeadershipLost, StoreError, StoreUnavailable
from storage.postgres_url import PostgresUrl

_LEADS = "SELECT 1 FROM leader WHERE name = 'bot' AND holder = '{holder}' AND epoch = {epoch}"
_IS_CURRENT = "SELECT 1 FROM migrations HAVING max(number) = {version}"


class Fence:
    """Lets a process write in its term only: not before, and not after another one has begun the next term.

    A process that was frozen or cut off may believe that it leads; its transactions find out.
    """

    def __init__(self, url: PostgresUrl) -> None:
        """Nothing can be written before the first term."""
        self.holder = uuid4().hex  # of this process's leases of the leadership
        self.is_refused = False  # a transaction, in this term
        self.has_migrated = False  # in this term
        self._url = url
        self._epoch: int | None = None

    def begin_term(self, epoch: int) -> None:
        """Let the transactions of this term pass."""
        self._epoch = epoch
        self.is_refused = self.has_migrated = False

    def end_term(self) -> None:
        """Let no transaction pass."""
        self._epoch = None
        self.has_migrated = False

    def condition(self) -> str:
        """A query that finds a row if this process leads; raises LeadershipLost outside of a term."""
        if self._epoch is None:
            raise self.refusal()
        return _LEADS.format(holder=self.holder, epoch=self._epoch)

    def refusal(self) -> StoreError:
        """The error of a transaction that may not go on; the process then knows that it does not lead."""
        self.is_refused = True
        return LeadershipLost(f"This process does not lead in the database {self._url}, so it may not write.")


class CurrentSchema:
    """Lets transactions pass only while the schema is the one that the program knows."""

    def __init__(self, url: PostgresUrl, *, version: int, fence: Fence | None = None) -> None:
        """version: the number of the program's last migration; fence: of a process that migrates."""
        self._url = url
        self._version = version
        self._fence = fence

    def condition(self) -> str:
        """A query that finds a row if the schema is the program's.

        Empty for the process that leads and has migrated: it costs half as much as a short read.
        """
        if self._fence is not None and self._fence.has_migrated and not self._fence.is_refused:
            return ""
        return _IS_CURRENT.format(version=self._version)

    def refusal(self) -> StoreError:
        """The error of a transaction that may not go on."""
        return StoreUnavailable(
            f"The database {self._url} has another schema than this version of the program,"
            " and is migrated by a process that leads."
        )

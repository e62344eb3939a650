"""What a database engine offers to the statements, which are the same for all engines.

Both engines know them as they are, but for what an engine's Transaction replaces word for word:

1. Parameters are $1, $2 … for a sequence, or :name for a mapping; CAST where PostgreSQL can't infer the type.
2. A list is one parameter, of `= ANY(…)` or `<> ALL(…)`.
3. A time is a datetime, in parameters; a row has it as the engine stores it, see storage.sql.rows.
4. SQLite gets hints for its planner: INDEXED BY is left out for PostgreSQL, CROSS JOIN keeps an order.

What has no common form is in the packages of the engines.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Parameters = Sequence[Any] | Mapping[str, Any]


class Row(Protocol):
    """A row of a result."""

    def __getitem__(self, column: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Transaction(Protocol):
    """Runs statements inside a transaction."""

    async def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement and ignore its rows."""
        ...

    async def all(self, sql: str, parameters: Parameters = ()) -> Sequence[Row]:
        """Run a statement and return all its rows."""
        ...

    async def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Run a statement and return its first row, or None."""
        ...


class Database(Protocol):
    """An open database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Write, as the only writer: all statements inside are committed or none."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Read: all statements inside see the same snapshot."""
        ...

    async def close(self) -> None:
        """Wait for running transactions and close; harmless when closed."""
        ...

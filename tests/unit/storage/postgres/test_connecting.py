"""The errors of a server, as errors of the store."""

import asyncpg
import pytest

from storage.errors import StoreBusy, StoreFull, StoreUnavailable, StoreUnreachable
from storage.postgres.connecting import explained
from storage.postgres_url import PostgresUrl


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncpg.DiskFullError("no space left"), StoreFull),
        (asyncpg.InvalidPasswordError("password authentication failed"), StoreUnavailable),
        (asyncpg.InvalidCatalogNameError("no database"), StoreUnavailable),
        (asyncpg.InsufficientPrivilegeError("permission denied for schema public"), StoreUnavailable),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), StoreUnavailable),
        (asyncpg.UndefinedTableError('relation "tasks" does not exist'), StoreUnavailable),
        (asyncpg.RaiseError("of a trigger of the operator's"), StoreUnavailable),
        (asyncpg.CannotConnectNowError("starting up"), StoreUnreachable),
        (asyncpg.IdleInTransactionSessionTimeoutError("idle"), StoreUnreachable),
        (asyncpg.QueryCanceledError("canceled"), StoreBusy),
        (ConnectionResetError("reset"), StoreUnreachable),
        (TimeoutError(), StoreUnreachable),
        (asyncpg.UniqueViolationError("twice"), asyncpg.UniqueViolationError),
        (asyncpg.NumericValueOutOfRangeError("too large"), asyncpg.NumericValueOutOfRangeError),
    ],
)
def test_errors_of_the_driver_become_errors_of_the_store(error: Exception, expected: type[Exception]):
    with pytest.raises(expected) as caught, explained(PostgresUrl.of("postgresql://host/name")):
        raise error

    assert type(caught.value) is expected

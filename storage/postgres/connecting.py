"""Connections to a server, and its errors."""

import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import asyncpg

from storage.errors import StoreBusy, StoreError, StoreFull, StoreRefused, StoreUnavailable, StoreUnreachable
from storage.postgres_url import PostgresUrl

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs only

# A frozen server ends a statement only by this. Longer than a frozen writer may keep the lock, see _LIMITS.
STATEMENT_S = 8.0
_CONNECT_S = 5.0
END_S = 2.0  # for a ROLLBACK, and for closing

# Parameters of a session. They are part of its start, so they hold as long as it does. pgbouncer refuses them
# in transaction mode, where each transaction has its own limit.
_LIMITS = {
    "application_name": "reelwatch",
    "idle_in_transaction_session_timeout": "5000",  # ms: a frozen process loses the writer's lock
    "timezone": "UTC",
}
_CACHED_STATEMENTS = 200

_TLS_FILE = re.compile(r"[?&]ssl(rootcert|cert|key|crl)=")

# The first that has the error's code or class decides; why: the server's own words.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_ERRORS: tuple[tuple[set[str], Callable[[PostgresUrl, str], StoreError]], ...] = (
    # disk_full, io_error
    ({"53100", "58030"}, lambda url, why: StoreFull(f"The database {url} cannot grow: {why}.")),
    # lock_not_available, query_canceled
    ({"55P03", "57014"}, lambda url, _: StoreBusy(f"The database {url} is locked by another process.")),
    # of the session: shut down, crashed, idle in a transaction
    (
        {"08", "57P01", "57P02", "57P03", "25P03"},
        lambda url, why: StoreUnreachable(f"The database {url} cannot be reached: {why}."),
    ),
    (
        {"28P01"},
        lambda url, _: StoreUnavailable(f"The database {url} refuses the user or password in DATABASE_URL."),
    ),
    ({"3D"}, lambda url, _: StoreUnavailable(f"The database {url} does not exist on its server.")),
    # the login, a lack of rights
    ({"28", "42501"}, lambda url, why: StoreUnavailable(f"The database {url} refuses the bot: {why}.")),
)
_OF_DATA = {"22", "23"}  # what a statement was given is wrong, not the database
_REFUSED = {"28", "3D", "42"}  # the login, the database's name, a lack of rights
_POOLER_REFUSES = ("authentication failed", "no such database", "no such user", "does not exist")
_OF_PARAMETERS = (asyncpg.UndefinedObjectError, asyncpg.DataError, asyncpg.CantChangeRuntimeParamError)


@contextmanager
def explained(url: PostgresUrl) -> Iterator[None]:
    """Convert the driver's errors to StoreError, with a sentence that names the database."""
    try:
        yield
    except asyncpg.PostgresError as error:
        code = error.sqlstate or ""
        for codes, converted in _ERRORS:
            if code in codes or code[:2] in codes:
                raise converted(url, _first_line(error)) from error
        if code[:2] in _OF_DATA:
            raise
        # Such as a server that is read-only or out of connections, and tables that somebody has dropped.
        raise StoreUnavailable(f"The database {url} fails: {_first_line(error)}.") from error
    except TimeoutError as error:
        raise StoreUnreachable(f"The database {url} does not respond.") from error
    # InternalClientError: the server has said that it ends the session, and not yet closed the connection.
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StoreUnreachable(f"The database {url} cannot be reached: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        # The event loop's text repeats the address; the resolver's numbers are negative and its own.
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror or text
    return text.partition("\n")[0].rstrip(".")


async def connect(url: PostgresUrl, *, statement_s: float = STATEMENT_S) -> Connection:
    """Open a connection; raises the driver's errors, and StoreUnavailable for what DATABASE_URL asks for."""
    try:
        connection: Connection = await asyncpg.connect(
            url.dsn,
            timeout=_CONNECT_S,
            command_timeout=statement_s,
            statement_cache_size=0 if url.is_pooled else _CACHED_STATEMENTS,
            server_settings=None if url.is_pooled else _LIMITS,
        )
    except ssl.SSLCertVerificationError as error:  # a ValueError, too
        why = error.verify_message
        raise StoreUnavailable(f"The certificate of the database {url} is not trusted: {why}.") from error
    except (ValueError, asyncpg.ClientConfigurationError) as error:  # their texts may hold the password
        if "root certificate file" in str(error):
            raise StoreUnavailable(
                "The sslmode in DATABASE_URL needs the file of a certificate, which sslrootcert names."
            ) from None
        raise StoreUnavailable("DATABASE_URL has a parameter that can't be used.") from None
    except _OF_PARAMETERS as error:
        why = _first_line(error)
        raise StoreUnavailable(f"The database {url} refuses a parameter of DATABASE_URL: {why}.") from error
    except asyncpg.ProtocolViolationError as error:
        raise _of_pooler(url, _first_line(error)) from None
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError) and _TLS_FILE.search(url.dsn):
            raise StoreUnavailable(
                f"A file of a certificate or key in DATABASE_URL cannot be read: {error.strerror}."
            ) from error
        if "rejected SSL upgrade" in str(error):
            raise StoreUnavailable(
                f"The database {url} offers no TLS, which sslmode in DATABASE_URL asks for."
            ) from error
        raise
    return connection


def _of_pooler(url: PostgresUrl, why: str) -> StoreUnavailable:
    """The error that pgbouncer, which has one code for everything, means by its words."""
    if "unsupported startup parameter" in why:
        if url.is_pooled:
            return StoreUnavailable(f"The database {url} refuses a parameter of DATABASE_URL: {why}.")
        return StoreUnavailable(
            f"The database {url} is behind pgbouncer: write ?pgbouncer=true at the end of the URL."
        )
    if any(text in why for text in _POOLER_REFUSES):
        return StoreUnavailable(f"The database {url} refuses the bot: {why}.")
    return StoreUnreachable(f"The database {url} cannot be reached: {why}.")


async def check_login(url: PostgresUrl) -> None:
    """Connect once; raises StoreRefused, and nothing if the server can't be reached just now."""
    try:
        with explained(url):
            connection = await connect(url)
            try:
                has_schema = await connection.fetchval("SELECT current_schema() IS NOT NULL")
            finally:
                await connection.close(timeout=END_S)
    except StoreUnreachable:
        return
    except StoreUnavailable as error:
        code = getattr(error.__cause__, "sqlstate", None)
        if code is None or code[:2] in _REFUSED or isinstance(error.__cause__, _OF_PARAMETERS):
            raise StoreRefused(str(error)) from error
    else:
        if not has_schema:
            raise no_schema(url)


def lacks_rights(error: StoreError) -> bool:
    """Whether the server refused a statement because the bot's user may not do that."""
    return isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError)


def may_not_make_tables(url: PostgresUrl, schema: str) -> StoreRefused:
    """The error of a user who may not make tables in the schema."""
    return StoreRefused(
        f"The database {url} does not let the bot make tables in the schema {schema};"
        f" GRANT CREATE ON SCHEMA {schema} TO its user allows it."
    )


def no_schema(url: PostgresUrl) -> StoreRefused:
    """The error of a search_path that leads nowhere."""
    return StoreRefused(f"The database {url} has no schema of the name that search_path gives.")

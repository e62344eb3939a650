"""Opens the store that the settings name, and copies, restores, exports and imports its database."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from storage.contents import Contents, Progress, Replaced, ServerSummary, Summary, no_progress
from storage.errors import StoreFull
from storage.postgres_url import PostgresUrl
from storage.records import Dump, Load
from storage.sqlite import copying, dumping, files, replacing
from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.store import SqliteStore
from storage.store import Store


async def open_store(database: Path | PostgresUrl, *, bot_id: str = "", version: str = "") -> Store:
    """Open a SQLite file, which is created if missing, or a PostgreSQL database; raises StoreError.

    bot_id: of the bot that uses it; while another one does, StoreInUse is raised, with PostgreSQL by
    leadership.acquire(). version: of the program, for the list of replicas.

    A PostgreSQL server that refuses the login or has no such database raises StoreRefused. One that can't
    be reached raises nothing: leadership.acquire() waits for it, and migrates. Until it has returned, methods
    that write raise LeadershipLost, and those that read StoreUnavailable unless the schema is the program's.
    """
    if isinstance(database, PostgresUrl):
        # Its driver takes time and memory that nobody pays who has a file.
        from storage.postgres.store import PostgresStore  # noqa: PLC0415

        return await PostgresStore.open(database, bot_id=bot_id, version=version)
    return await SqliteStore.open(database, bot_id=bot_id)


def open_unfenced_store(database: PostgresUrl, *, now: Callable[[], datetime]) -> Store:
    """A store for what any process may write, whether or not it leads: the updates of a webhook.

    now: that of the process's store of open_store(). Nothing is connected before the first call. It has no
    leadership and migrates nothing: each call raises StoreUnavailable while the schema is not the program's.
    """
    from storage.postgres.store import PostgresStore  # noqa: PLC0415

    return PostgresStore.open_unfenced(database, now=now)


async def summary_of_server(url: PostgresUrl) -> ServerSummary:
    """What a database on a server holds, without migrating or changing it; raises StoreError."""
    from storage.postgres import summary  # noqa: PLC0415

    return await summary.summary_of(url)


def summary_of(file: Path) -> Summary | None:
    """What a database holds, without migrating or changing it; None: there is none. Raises StoreError."""
    return copying.summary_of(file) if files.exists(file) else None


def schema_version(database: Path | PostgresUrl | None = None) -> int:
    """The number of the schema that open_store() migrates to; None: of a SQLite file."""
    if isinstance(database, PostgresUrl):
        from storage.postgres import migrate  # noqa: PLC0415

        return migrate.bundled_migrations()[-1].number
    return bundled_migrations()[-1].number


def back_up(file: Path, draft: Path, *, progress: Progress = no_progress) -> Contents:
    """Copy the database, which a bot may be using, into an empty file, and check it; raises StoreError."""
    try:
        copying.copy_database(file, draft, progress=progress)
    except StoreFull as error:
        raise StoreFull(f"There is no room for the copy in {draft.parent}, or its disk fails.") from error
    return copying.inspect(draft, called=str(file))


def files_of(database: Path | PostgresUrl) -> Sequence[Path]:
    """The files of the database while it is open, which may not exist; none of one on a server."""
    return files.files_of(database) if isinstance(database, Path) else ()


def copy_closed(file: Path, draft: Path) -> None:
    """Copy a database that nobody has open, with what it needs if it was not closed in order; raises OSError.

    Byte by byte, as its folder may be read-only.
    """
    copying.copy_closed(file, draft)


def is_database(path: Path) -> bool:
    """Whether the file is a database of this program, by its first bytes; raises OSError."""
    return copying.is_ours(path)


def is_in_use(path: Path) -> bool:
    """Whether a bot runs on that database; raises OSError."""
    return replacing.is_in_use(path)


def restore(file: Path, draft: Path, *, called: str) -> Replaced:
    """Check the draft and put it in the place of the database; called: its name in sentences.

    Raises StoreInUse while a bot runs on the database, and StoreError for a draft that can't be used.
    """
    return replacing.restore(file, draft, called=called)


def open_dump(database: Path | PostgresUrl) -> AbstractContextManager[Dump]:
    """The records of the database at one moment, also while a bot uses it; raises StoreError."""
    if isinstance(database, PostgresUrl):
        from storage.postgres.dumping import open_dump  # noqa: PLC0415

        return open_dump(database)
    return dumping.open_dump(database)


def open_load(database: Path | PostgresUrl) -> AbstractContextManager[Load]:
    """A new or empty database, into which all is put or nothing; raises StoreError, ImportRefused."""
    if isinstance(database, PostgresUrl):
        from storage.postgres.dumping import open_load  # noqa: PLC0415

        return open_load(database)
    return dumping.open_load(database)

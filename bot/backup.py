"""The commands `backup` and `restore`: a copy of the database, made while the bot runs, and put back."""

import shutil
import sys
from pathlib import Path

from bot.errors import FileRefused, OutputFailed
from bot.output_file import STANDARD, output_file, refuse_terminal
from bot.progress import ProgressLines
from storage import factory
from storage.contents import Contents
from storage.draft import draft_of
from storage.errors import StoreFull
from storage.postgres_url import PostgresUrl


def backup(database: Path | PostgresUrl, target: str) -> None:
    """Copy the database to a file or standard output, check the copy, and say what it holds.

    Raises StoreError, FileRefused, OutputFailed.
    """
    if isinstance(database, PostgresUrl):
        raise FileRefused(
            f"{database} is on a PostgreSQL server: back it up with pg_dump, also while the bot runs."
        )
    if target == STANDARD:
        refuse_terminal()
    with output_file(target, factory.files_of(database), may_replace=_is_old_backup) as draft:
        try:
            contents = factory.back_up(database, draft, progress=ProgressLines("pages"))
        except StoreFull as error:
            raise OutputFailed(str(error)) from error
    where = "standard output" if target == STANDARD else target
    _say(f"Backed up {database} to {where}: {described(contents)}.")


def restore(database: Path | PostgresUrl, source: str) -> None:
    """Put a backup in the place of the database, and say where the old one is kept.

    Raises StoreError, FileRefused.
    """
    if isinstance(database, PostgresUrl):
        raise FileRefused(
            f"{database} is on a PostgreSQL server: restore it with pg_restore, while no bot runs on it."
        )
    called = "on standard input" if source == STANDARD else source
    if source == STANDARD and sys.stdin.isatty():
        raise FileRefused("Standard input is a terminal: name the backup's file, or send it through a pipe.")
    try:
        if source != STANDARD:
            _require_backup(Path(source), database)
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with draft_of(database) as draft:
            _fill(draft, source)
            replaced = factory.restore(database, draft, called=called)
    except OSError as error:
        raise FileRefused(f"The backup {called} cannot be restored: {error.strerror}.") from error
    _say(f"Restored {database}: {described(replaced.contents)}.")
    if replaced.kept is not None:
        _say(f"The database that was there before is {replaced.kept}; remove it when you no longer need it.")


def described(contents: Contents) -> str:
    """What a database holds, as part of a sentence."""
    watches, unsent = contents.watches, contents.unsent
    return (
        f"schema {contents.schema}, {watches} active watch{'' if watches == 1 else 'es'},"
        f" {unsent} message{'' if unsent == 1 else 's'} waiting"
    )


def _is_old_backup(path: Path) -> bool:
    if factory.is_in_use(path):
        raise FileRefused(f"{path} is the database of a running bot: name another file.")
    return factory.is_database(path)


def _require_backup(path: Path, database: Path) -> None:
    if not path.exists():
        raise FileRefused(f"There is no file {path}.")
    if not path.is_file():
        raise FileRefused(f"{path} is not a file.")
    if database.exists() and database.samefile(path):
        raise FileRefused(f"{path} is the bot's database itself: name a backup of it.")
    if factory.is_in_use(path):
        raise FileRefused(f"{path} is the database of a running bot: make a backup of it first.")


def _fill(draft: Path, source: str) -> None:
    """Copy the backup; raises OSError."""
    if source != STANDARD:
        factory.copy_closed(Path(source), draft)
        return
    with draft.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)

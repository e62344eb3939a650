"""Removes, and reports, other users' access to the database and the videos; tells if the bot lacks its own.

The bot creates its files with access for itself only; this is for older files, for example from a backup.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from storage.errors import not_made
from storage.factory import files_of
from storage.postgres_url import PostgresUrl

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHARED = stat.S_ISVTX | stat.S_ISGID  # set on folders that several users share


def tighten(database: Path | PostgresUrl, downloads: Path) -> None:
    """Remove others' access to the database, the downloads, and a folder with only the database in it.

    Files of other users are not changed. By path, not by file descriptor: closing one of a file that SQLite
    has open would release its locks.
    """
    own = [downloads]
    if isinstance(database, Path):
        folder = database.absolute().parent
        own += [*files_of(database), *([folder] if _holds_nothing_else(folder, database.name) else [])]
    for path in own:
        with suppress(OSError):
            mode = path.lstat().st_mode
            if _is_own(path) and mode & _OTHERS:
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def exposed(database: Path | PostgresUrl, downloads: Path, *, settings: Path | None = None) -> Sequence[str]:
    """Sentences about the files that others can read or replace, each with the command that ends it.

    settings: a file with keys, which a group may read: that of a service's user.
    """
    folder = database.absolute().parent if isinstance(database, Path) else None
    paths = [downloads]
    if isinstance(database, Path):
        paths = [*files_of(database), downloads, *_copies(database)]
    found = [
        f"Others on this machine can read {path}; chmod go= {path} ends that."
        for path in paths
        if _mode(path) & _OTHERS and _mode(path.absolute().parent) & _OTHERS  # else they can't reach it
    ]
    if (
        settings is not None
        and _mode(settings) & stat.S_IROTH
        and _mode(settings.absolute().parent) & _OTHERS
    ):
        found.append(
            f"Everybody on this machine can read {settings}, keys included; chmod o= {settings} ends that."
        )
    if folder is not None and _mode(folder) & _OTHERS_WRITE and not _mode(folder) & stat.S_ISVTX:
        found.append(
            f"Others on this machine can write to {folder}, and so put another file in the database's place;"
            f" chmod go-w {folder} ends that."
        )
    return found


def why_no_videos(folder: Path) -> str | None:
    """A sentence on why no video can be kept in a folder; None if one can."""
    error = _try_to_write(folder)
    return f"Videos can't be kept in {folder}: {error.strerror}." if error else None


def why_no_database(file: Path) -> str | None:
    """A sentence on why a new database can't be made; None if it can."""
    error = _try_to_write(file.parent)
    return str(not_made(file, error)) if error else None


def _try_to_write(folder: Path) -> OSError | None:
    """The error of putting a file into a folder, which is made if missing; None if it succeeds."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error


def _copies(database: Path) -> Iterator[Path]:
    """Other files beside the database that are named like it, such as backups."""
    known = {path.name for path in files_of(database)}
    with suppress(OSError):
        for path in database.absolute().parent.iterdir():
            if _belongs_to(path.name, database.name) and path.name not in known and path.is_file():
                yield path


def _holds_nothing_else(folder: Path, name: str) -> bool:
    """Whether a folder has only the database's files, and is no mount, home, working or shared folder."""
    with suppress(OSError):
        is_known = folder in {Path("/"), Path(os.path.expanduser("~")), Path.cwd()} or folder.is_mount()
        if is_known or not _is_own(folder) or folder.stat().st_mode & _SHARED:
            return False
        return all(_belongs_to(path.name, name) for path in folder.iterdir())
    return False


def _belongs_to(name: str, database: str) -> bool:
    return name == database or name.startswith((f"{database}-", f"{database}."))


def _is_own(path: Path) -> bool:
    """Whether it is a file or folder, and no symbolic link, of the user that the bot runs as."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))


def _mode(path: Path) -> int:
    """The mode, or 0 if it can't be read."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0

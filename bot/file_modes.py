"""Which files other users of this machine can read: the database and the videos; removes that access.

What the bot makes is its own from the beginning; this is for what was there before, as from a backup.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHARED = stat.S_ISVTX | stat.S_ISGID  # what only folders for several users have
_BESIDE = ("", "-wal", "-shm", ".lock")  # files of a database


def tighten(database: Path, downloads: Path) -> None:
    """Leave the database, the downloads and a folder that holds nothing else to their owner alone.

    Only of what belongs to the user that the bot runs as. By path: to close a file that SQLite has open would
    give up its locks.
    """
    folder = database.absolute().parent
    paths = [*_files(database), downloads, *([folder] if _holds_nothing_else(folder, database.name) else [])]
    for path in paths:
        with suppress(OSError):
            mode = path.lstat().st_mode
            if _is_own(path) and mode & _OTHERS:
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def exposed(database: Path, downloads: Path) -> Sequence[str]:
    """Sentences that name what others can read, or put something else in the place of."""
    found: list[str] = []
    folder = database.absolute().parent
    if not _mode(folder) & _OTHERS:
        return found  # nobody gets at what is in it
    for path in (*_files(database), downloads, *_copies(folder, database)):
        if _mode(path) & _OTHERS:
            found.append(f"Others on this machine can read {path}; chmod go= {path} ends that.")
    if _mode(folder) & _OTHERS_WRITE and not _mode(folder) & stat.S_ISVTX:
        found.append(
            f"Others on this machine can write to {folder}, and so put another file in the database's place;"
            f" chmod go-w {folder} ends that."
        )
    return found


def _files(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{end}") for end in _BESIDE]


def _copies(folder: Path, database: Path) -> Iterator[Path]:
    """Backups that somebody has put beside the database."""
    known = {path.name for path in _files(database)}
    with suppress(OSError):
        for path in folder.iterdir():
            if _belongs_to(path.name, database.name) and path.name not in known and path.is_file():
                yield path


def _holds_nothing_else(folder: Path, name: str) -> bool:
    """Whether a folder is beyond doubt the database's alone: no mount, nobody's home, nothing else in it."""
    with suppress(OSError):
        is_known = folder in {Path("/"), Path(os.path.expanduser("~")), Path.cwd()} or folder.is_mount()
        if is_known or not _is_own(folder) or folder.stat().st_mode & _SHARED:
            return False
        return all(_belongs_to(path.name, name) for path in folder.iterdir())
    return False


def _belongs_to(name: str, database: str) -> bool:
    return name == database or name.startswith((f"{database}-", f"{database}."))


def _is_own(path: Path) -> bool:
    """Whether it is a file or folder, no link to one, of the user that the bot runs as."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))


def _mode(path: Path) -> int:
    """The mode, 0 for what can't be asked about."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0

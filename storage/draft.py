"""Files that are written under another name, and get their own once they are complete."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

SUFFIX = ".part"
_ABANDONED_S = 3600.0  # a draft that nobody has written to for so long was left by a killed process
_COMPANIONS = ("-wal", "-shm", "-journal")  # that SQLite makes beside a database


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """An empty file beside the path that only its owner can read; removed at the end, unless it was renamed.

    Drafts of the same path that killed processes have left are removed, too. Raises OSError.
    """
    _remove_abandoned(path)
    draft = path.with_name(f"{path.name}.{uuid4().hex}{SUFFIX}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        _remove(draft)


def publish(draft: Path, path: Path) -> None:
    """Write the draft to the disk and rename it; after a crash the path is the old file or the new one."""
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Write a file or folder to the disk; not for a database that this process has open, as it ends locks."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    # Other programs, such as browsers, name unfinished files alike.
    named = re.compile(rf"{re.escape(path.name)}\.[0-9a-f]{{32}}{re.escape(SUFFIX)}")
    with suppress(OSError):
        for draft in path.parent.iterdir():
            if not named.fullmatch(draft.name):
                continue
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > _ABANDONED_S:
                    _remove(draft)


def _remove(draft: Path) -> None:
    for suffix in ("", *_COMPANIONS):
        with suppress(OSError):
            draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)

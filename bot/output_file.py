"""Where `backup` and `export` write to: a file that appears when it is complete, or standard output."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot.errors import FileRefused, OutputFailed
from storage.draft import draft_of, publish

STANDARD = "-"  # standard output or input
_STDOUT = 1  # its number; sys.stdout is None where the caller has closed it
_PIECE = 1 << 20  # bytes


@contextmanager
def output_file(target: str, live: Sequence[Path], *, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """A draft to write to; it is published at the target when the block ends without an error.

    live: the files of the database, which are never replaced. For standard output the draft lies beside the
    first of them: a container's root may be read-only, and its /tmp in memory.
    may_replace: whether an existing file, which is not empty, is of the kind that is written.
    Raises FileRefused, OutputFailed.
    """
    path = Path(target)
    if target != STANDARD:
        _require_usable(path, live, may_replace)
    with _failing(target), draft_of(live[0].absolute() if target == STANDARD else path.absolute()) as draft:
        yield draft
        if target == STANDARD:
            _stream(draft)
        else:
            publish(draft, path.absolute())


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output itself, for what is known to be incomplete if it is; raises OutputFailed."""
    with _failing(STANDARD), os.fdopen(os.dup(_STDOUT), "wb") as file:
        yield file


@contextmanager
def _failing(target: str) -> Iterator[None]:
    """Convert OSErrors to OutputFailed."""
    try:
        yield
    except BrokenPipeError:
        raise OutputFailed("Standard output was closed before everything was written.") from None
    except OSError as error:
        name = "Standard output" if target == STANDARD else f"The file {target}"
        raise OutputFailed(f"{name} cannot be written: {error.strerror}.") from error


def refuse_terminal() -> None:
    """Raise FileRefused if standard output is a terminal."""
    if os.isatty(_STDOUT):
        raise FileRefused("Standard output is a terminal: send it to a file or a pipe, or name a file.")


def _require_usable(path: Path, live: Sequence[Path], may_replace: Callable[[Path], bool]) -> None:
    try:
        if not path.absolute().parent.is_dir():
            raise FileRefused(f"There is no folder {path.absolute().parent}.")
        if not path.exists() and not path.is_symlink():
            return
        if path.is_dir():
            raise FileRefused(f"{path} is a folder: name a file in it.")
        for each in live:
            if each.exists() and path.exists() and each.samefile(path):
                raise FileRefused(f"{path} belongs to the bot's own database: name another file.")
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or (found.st_size and not may_replace(path)):
            raise FileRefused(f"{path} exists already, and nothing that this command has written.")
    except OSError as error:
        raise FileRefused(f"{path} cannot be used: {error.strerror}.") from error


def _stream(draft: Path) -> None:
    """Write to standard output without Python's buffer, which would be flushed again at the exit."""
    with draft.open("rb", buffering=0) as file:
        while piece := memoryview(file.read(_PIECE)):
            while piece:
                piece = piece[os.write(_STDOUT, piece) :]

"""How much of the disk is used and free."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes at one moment."""

    downloads: int  # of all files in the downloads folder
    size: Mapping[str, int]  # of the file system, by volume
    free: Mapping[str, int]  # for this user, by volume


class Disk:
    """Measures the folders of the bot; blocks, and a hung disk blocks it for ever."""

    def __init__(self, downloads: Path, volumes: Mapping[str, Path]) -> None:
        """volumes: a folder of each by the name that the metrics show; it may not exist yet."""
        self._downloads = downloads
        self._volumes = volumes

    def measure(self) -> DiskUse:
        """Measure; raises OSError."""
        usage = {name: shutil.disk_usage(_existing(folder)) for name, folder in self._volumes.items()}
        return DiskUse(
            downloads=_size(self._downloads),
            size={name: found.total for name, found in usage.items()},
            free={name: found.free for name, found in usage.items()},
        )


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                size += os.lstat(os.path.join(parent, name)).st_size
    return size

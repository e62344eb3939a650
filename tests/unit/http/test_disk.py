"""How much of the disk is used and free."""

import shutil
from pathlib import Path

from bot.http.disk import Disk


def test_all_files_below_the_downloads_folder_are_counted(tmp_path: Path):
    for name, size in (("a/video.mp4", 1000), ("a/preview.jpg", 20), ("b/c/video.part", 300)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))

    assert Disk(tmp_path, {}).measure().downloads == 1320


def test_a_folder_that_does_not_exist_yet_is_empty_and_on_the_disk_of_its_parent(tmp_path: Path):
    use = Disk(tmp_path / "not/yet", {"downloads": tmp_path / "not/yet"}).measure()

    assert use.downloads == 0
    assert use.size == {"downloads": shutil.disk_usage(tmp_path).total}
    assert 0 < use.free["downloads"] <= use.size["downloads"]

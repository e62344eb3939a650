"""Processes that share a folder have one of their own below it."""

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

from bot.media.own_folder import own_folder


def hold(shared: Path, to_test: Connection) -> None:
    """Hold a folder until killed."""
    with own_folder(shared) as folder:
        to_test.send(folder.name)
        to_test.recv()


def test_each_process_has_another_one_and_a_killed_one_leaves_its_own_to_the_next(tmp_path: Path):
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, there))
    other.start()
    assert here.recv() == "1"

    with own_folder(tmp_path) as folder:
        assert folder == tmp_path / "2"
    (tmp_path / "1" / "video").touch()
    other.kill()
    other.join()

    with own_folder(tmp_path) as folder:
        assert folder == tmp_path / "1"
        assert [path.name for path in folder.iterdir()] == ["video"]
    here.close()
    there.close()
    other.close()


def test_it_is_free_after_the_block(tmp_path: Path):
    with own_folder(tmp_path) as first, own_folder(tmp_path) as second:
        assert (first.name, second.name) == ("1", "2")

    with own_folder(tmp_path) as folder:
        assert folder == first


def test_others_can_not_read_it(tmp_path: Path):
    with own_folder(tmp_path / "new" / "downloads") as folder:
        assert {os.stat(each).st_mode & 0o077 for each in (folder, folder.parent)} == {0}


def test_without_a_folder_there_is_a_path_whose_use_fails_later(tmp_path: Path):
    (tmp_path / "file").touch()

    with own_folder(tmp_path / "file") as folder:
        assert folder == tmp_path / "file" / "1"

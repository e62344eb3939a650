"""A draft becomes its file as a whole, or leaves nothing behind."""

import os
import time
from pathlib import Path

import pytest

from storage.draft import draft_of, publish


def test_a_published_draft_takes_the_place_of_the_file_and_only_its_owner_can_read_it(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text("old")

    with draft_of(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
        publish(draft, path)

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_is_not_published_is_removed_with_what_lies_beside_it(tmp_path: Path):
    def fail() -> None:
        with draft_of(tmp_path / "a") as draft:
            draft.with_name(f"{draft.name}-wal").write_text("")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the test's own
        fail()

    assert list(tmp_path.iterdir()) == []


def test_a_draft_of_a_killed_process_is_removed_and_one_that_is_being_written_is_not(tmp_path: Path):
    one, two = "1" * 32, "2" * 32
    names = (f"a.{one}.part", f"a.{two}.part", f"b.{one}.part", "a.mp4.part")  # the last: of a browser
    killed, written, other, foreign = (tmp_path / name for name in names)
    for each in (killed, written, other, foreign):
        each.write_text("")
    for each in (killed, other, foreign):
        os.utime(each, (time.time() - 3601, time.time() - 3601))

    with draft_of(tmp_path / "a"):
        pass

    assert sorted(tmp_path.iterdir()) == sorted([written, other, foreign])

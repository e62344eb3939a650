"""A command's file appears when it is complete, and replaces only what the command may replace."""

import os
from pathlib import Path

import pytest

from bot.errors import FileRefused, OutputFailed
from bot.output_file import output_file
from storage.factory import files_of


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a.db"
    path.parent.mkdir()
    path.write_text("a database")
    Path(f"{path}-wal").touch()
    return path


def write(target: str, database: Path, *, may_replace: bool = False) -> None:
    """Write "new" to a target."""
    with output_file(target, files_of(database), may_replace=lambda _: may_replace) as draft:
        draft.write_text("new")


def test_a_new_file_is_written(tmp_path: Path, database: Path):
    write("copy", database)

    assert (tmp_path / "copy").read_text() == "new"


@pytest.mark.parametrize(("content", "may_replace"), [("old", True), ("", False)])
def test_an_older_one_and_an_empty_one_are_replaced(
    tmp_path: Path, database: Path, content: str, may_replace: bool
):
    (tmp_path / "copy").write_text(content)

    write("copy", database, may_replace=may_replace)

    assert (tmp_path / "copy").read_text() == "new"


def test_another_file_is_not_replaced(tmp_path: Path, database: Path):
    (tmp_path / "copy").write_text("a letter")

    with pytest.raises(FileRefused, match="copy exists already"):
        write("copy", database)

    assert (tmp_path / "copy").read_text() == "a letter"


@pytest.mark.parametrize("name", ["data/a.db", "data/a.db-wal", "link", "hard"])
def test_the_live_database_is_never_replaced_by_whichever_name(tmp_path: Path, database: Path, name: str):
    (tmp_path / "link").symlink_to(database)
    os.link(database, tmp_path / "hard")

    with pytest.raises(FileRefused, match="belongs to the bot's own database"):
        write(name, database, may_replace=True)

    assert database.read_text() == "a database"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("data", "is a folder"), ("no/copy", "There is no folder /.*/no"), ("/dev/null", "exists already")],
)
def test_a_place_where_no_file_can_be_is_refused(database: Path, target: str, sentence: str):
    with pytest.raises(FileRefused, match=sentence):
        write(target, database, may_replace=True)


def test_a_failure_leaves_the_older_file_and_no_draft(tmp_path: Path, database: Path):
    (tmp_path / "copy").write_text("old")

    with (
        pytest.raises(OutputFailed, match="The file copy cannot be written: No space left"),
        output_file("copy", files_of(database), may_replace=lambda _: True),
    ):
        raise OSError(28, "No space left on device")

    assert (tmp_path / "copy").read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy", "data"]


def test_what_goes_to_standard_output_is_kept_beside_the_database_until_then(
    database: Path, capfdbinary: pytest.CaptureFixture[bytes]
):
    with output_file("-", files_of(database), may_replace=lambda _: False) as draft:
        assert draft.parent == database.parent
        draft.write_bytes(b"new" * 1_000_000)

    assert capfdbinary.readouterr().out == b"new" * 1_000_000
    assert sorted(each.name for each in database.parent.iterdir()) == ["a.db", "a.db-wal"]

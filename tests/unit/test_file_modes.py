"""What others can read of the database and the videos, on a real file system."""

import os
from pathlib import Path

import pytest

from bot.file_modes import exposed, tighten, why_no_database, why_no_videos
from storage.postgres_url import PostgresUrl


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with all that a bot leaves behind, open to everybody."""
    folder = tmp_path / "data"
    (folder / "reelwatch.db.downloads" / "a1" / "b2").mkdir(parents=True)
    for name in ("reelwatch.db", "reelwatch.db-wal", "reelwatch.db-shm", "reelwatch.db.lock"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    (folder / "reelwatch.db.downloads").chmod(0o755)
    folder.chmod(0o755)
    return folder


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def files(data: Path) -> tuple[Path, Path]:
    return data / "reelwatch.db", data / "reelwatch.db.downloads"


def test_what_is_the_bot_s_is_left_to_it_alone(data: Path):
    tighten(*files(data))

    assert {path.name: mode(path) for path in data.iterdir()} == {
        "reelwatch.db": 0o600,
        "reelwatch.db-wal": 0o600,
        "reelwatch.db-shm": 0o600,
        "reelwatch.db.lock": 0o600,
        "reelwatch.db.downloads": 0o700,
    }
    assert mode(data) == 0o700
    assert exposed(*files(data)) == []


def test_of_a_database_on_a_server_only_the_videos_are_files(data: Path):
    url, (database, downloads) = PostgresUrl.of("postgresql://db/name"), files(data)
    sentences = exposed(url, downloads)
    tighten(url, downloads)

    assert sentences == [f"Others on this machine can read {downloads}; chmod go= {downloads} ends that."]
    assert (mode(downloads), mode(database), mode(data)) == (0o700, 0o644, 0o755)


@pytest.mark.parametrize("other", ["notes.txt", "reelwatch.dbx", ".env"])
def test_a_folder_that_holds_anything_else_keeps_its_mode(data: Path, other: str):
    (data / other).touch()
    (data / other).chmod(0o644)
    tighten(*files(data))

    assert (mode(data), mode(data / other)) == (0o755, 0o644)
    assert mode(data / "reelwatch.db") == 0o600
    assert mode(data / "reelwatch.db.downloads") == 0o700
    assert exposed(*files(data)) == []


@pytest.mark.parametrize("shared", [0o1777, 0o2775])
def test_a_folder_for_several_users_keeps_its_mode(data: Path, shared: int):
    data.chmod(shared)
    tighten(*files(data))

    assert mode(data) == shared
    assert mode(data / "reelwatch.db") == 0o600


def test_the_folder_that_the_bot_is_started_in_keeps_its_mode(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(data)
    tighten(Path("reelwatch.db"), Path("reelwatch.db.downloads"))

    assert mode(data) == 0o755
    assert mode(data / "reelwatch.db") == 0o600


def test_somebody_s_home_keeps_its_mode(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(data))
    tighten(*files(data))

    assert mode(data) == 0o755


def test_what_a_link_leads_to_keeps_its_mode_and_is_told(data: Path, tmp_path: Path):
    elsewhere = tmp_path / "share"
    elsewhere.mkdir(mode=0o755)
    elsewhere.chmod(0o755)
    downloads = data / "reelwatch.db.downloads"
    downloads.rename(tmp_path / "old")
    downloads.symlink_to(elsewhere)
    (data / "another").touch()
    tighten(*files(data))

    assert mode(elsewhere) == 0o755
    [sentence] = exposed(*files(data))
    assert str(downloads) in sentence


def test_a_database_in_the_root_folder_leaves_that_as_it_is():
    before = mode(Path("/"))
    tighten(Path("/no-such-reelwatch.db"), Path("/no-such-reelwatch.db.downloads"))

    assert mode(Path("/")) == before


def test_modes_that_are_narrower_already_are_not_widened(data: Path):
    (data / "reelwatch.db").chmod(0o400)
    (data / "reelwatch.db.downloads").chmod(0o500)
    tighten(*files(data))

    assert mode(data / "reelwatch.db") == 0o400
    assert mode(data / "reelwatch.db.downloads") == 0o500
    (data / "reelwatch.db.downloads").chmod(0o700)


def test_a_backup_that_others_can_read_is_told(data: Path):
    for name in ("reelwatch.db.bak", "notes.txt"):
        (data / name).touch()
        (data / name).chmod(0o644)
    tighten(*files(data))

    [sentence] = exposed(*files(data))
    assert str(data / "reelwatch.db.bak") in sentence


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o640, False), (0o600, False)])
def test_keys_that_everybody_can_read_are_told(data: Path, tmp_path: Path, mode: int, is_told: bool):
    tighten(*files(data))
    env, private = tmp_path / ".env", tmp_path / "private"
    private.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    for each in (env, private / ".env"):
        each.touch()
        each.chmod(mode)

    sentence = f"Everybody on this machine can read {env}, keys included; chmod o= {env} ends that."
    assert exposed(*files(data), settings=env) == ([sentence] if is_told else [])
    assert exposed(*files(data), settings=private / ".env") == []


def test_what_others_could_put_in_the_database_s_place_is_told(data: Path):
    (data / "another").touch()
    data.chmod(0o777)
    tighten(*files(data))

    [sentence] = exposed(*files(data))
    assert sentence.startswith(f"Others on this machine can write to {data},")


def test_what_is_not_there_yet_is_nothing_to_tell(tmp_path: Path):
    tighten(*files(tmp_path / "nowhere"))

    assert exposed(*files(tmp_path / "nowhere")) == []


def test_videos_elsewhere_are_told_even_where_the_database_is_private(data: Path, tmp_path: Path):
    data.chmod(0o700)
    elsewhere = tmp_path / "share"
    elsewhere.mkdir(mode=0o755)
    elsewhere.chmod(0o755)

    tmp_path.chmod(0o755)

    [sentence] = exposed(data / "reelwatch.db", elsewhere)

    assert str(elsewhere) in sentence


def test_a_folder_for_videos_is_made_and_tried(tmp_path: Path):
    folder = tmp_path / "a" / "b"

    assert why_no_videos(folder) is None
    assert mode(folder) == 0o700
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_with_the_reason(tmp_path: Path):
    (tmp_path / "file").touch()

    assert why_no_videos(tmp_path / "file" / "b") == (
        f"Videos can't be kept in {tmp_path}/file/b: Not a directory."
    )
    assert why_no_database(tmp_path / "file" / "b" / "a.db") == (
        f"The database {tmp_path}/file/b/a.db cannot be made: Not a directory."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_another_user_s_keeps_its_mode_and_is_told(data: Path):
    os.chown(data / "reelwatch.db", 10001, -1)
    os.chown(data, 10001, -1)
    tighten(*files(data))

    assert (mode(data), mode(data / "reelwatch.db")) == (0o755, 0o644)
    [sentence] = exposed(*files(data))
    assert str(data / "reelwatch.db") in sentence

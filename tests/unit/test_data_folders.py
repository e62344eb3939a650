"""Where downloaded videos wait."""

from pathlib import Path

from tests.unit.test_config import load


def test_videos_lie_beside_the_database_that_they_belong_to():
    assert load().downloads_folder == Path("data/reelwatch.db.downloads")
    assert load(DATABASE_URL="sqlite:////srv/a/b.db").downloads_folder == Path("/srv/a/b.db.downloads")


def test_videos_lie_in_data_dir_which_by_default_is_the_databases_folder():
    url = "sqlite:////srv/a/b.db"

    assert load(DATABASE_URL=url, DATA_DIR="/srv/a").downloads_folder == Path("/srv/a/b.db.downloads")
    assert load(DATABASE_URL=url, DATA_DIR="/films").downloads_folder.parent == Path("/films")
    assert load(DATA_DIR="films").downloads_folder.parent == Path("films")


def test_bots_that_share_a_data_dir_do_not_share_their_videos():
    one, other = "sqlite:////srv/a/b.db", "sqlite:////srv/c/b.db"
    folders = [
        load({"TELEGRAM_BOT_TOKEN": f"{bot_id}:hunter2-is-secret"}, DATABASE_URL=url, DATA_DIR="/films")
        for bot_id, url in [("1234567", one), ("1234567", other), ("7654321", one)]
    ]

    assert len({settings.downloads_folder for settings in folders}) == 3
    assert "hunter2" not in str(folders[0].downloads_folder)


def test_with_a_server_videos_lie_in_data_dir_or_data_in_a_folder_for_each_bot_and_schema():
    server = "postgresql://me:hunter2@db/name"
    folders = [
        load({"TELEGRAM_BOT_TOKEN": f"{bot_id}:hunter2-is-secret"}, DATABASE_URL=url).downloads_folder
        for bot_id, url in [
            ("1234567", server),
            ("7654321", server),
            ("1234567", f"{server}2"),
            ("1234567", f"{server}?search_path=a"),
            ("1234567", f"{server}?search_path=b"),
        ]
    ]

    assert {folder.parent for folder in folders} == {Path("data")}
    assert len(set(folders)) == 5
    assert load(DATABASE_URL=server, DATA_DIR="/films").downloads_folder.parent == Path("/films")


def test_videos_stay_where_they_are_when_the_password_changes():
    old, new = (
        load(DATABASE_URL=f"postgresql://me:{password}@db/name") for password in ("hunter1", "hunter2")
    )

    assert old.downloads_folder == new.downloads_folder

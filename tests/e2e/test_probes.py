"""`check` before a start."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from storage.factory import open_store, schema_version
from storage.sqlite.copying import make_schema
from tests.e2e.database import about_sqlite
from tests.e2e.scene import Scene


async def test_check_lists_the_settings_and_what_works(scene: Scene):
    check = await scene.run("check", DOWNLOAD_PROXY="http://anna:correct-horse@127.0.0.1:9")
    assert await check.end() == 1
    assert "  error  the proxy http://127.0.0.1:9 refuses connections" in check.row("downloads")
    for name in ("DATABASE_URL", "ALLOWED_CHATS", "LANGUAGE", "HEALTH_PORT"):
        assert check.row(name)
    assert check.row("TELEGRAM_BOT_TOKEN").split()[1] == "set"
    assert check.row("telegram").split()[1:] == ["ok", "@reelwatch_bot"]
    for provider in ("alibailian", "newapi", "jimeng", "videos"):
        assert "  ok  " in check.row(f"provider {provider}")
    assert "127.0.0.1:9" in check.row("DOWNLOAD_PROXY")
    assert "correct-horse" not in check.output


async def test_check_shows_the_settings_as_parsed(scene: Scene):
    check = await scene.run("check", ADMINS="12 3", REST_DAYS="0.50", LOG_LEVEL="debug", ALLOWED_CHATS="*;7")
    assert await check.end() == 0
    shown = {name: check.row(name).split(maxsplit=1)[1] for name in ("ADMINS", "REST_DAYS", "LOG_LEVEL")}
    assert shown == {"ADMINS": "3, 12", "REST_DAYS": "0.5", "LOG_LEVEL": "DEBUG"}
    assert check.row("ALLOWED_CHATS").split(maxsplit=1)[1] == "*, 7"
    assert check.row("LOG_FORMAT").split(maxsplit=1)[1] == "console"


@about_sqlite
async def test_check_warns_when_nobody_has_access(scene: Scene):
    check = await scene.run("check", ALLOWED_CHATS=",", ADMINS=",")
    assert await check.end() == 0
    assert "  warn  nobody may use the bot" in check.row("people")
    assert "the first start makes it" in check.row("database")
    assert not (scene.folder / "reelwatch.db").exists()


@about_sqlite
async def test_check_names_the_admin_whom_only_the_database_knows(scene: Scene):
    store = await open_store(scene.folder / "reelwatch.db")
    await store.add_first_admin(1234, at=datetime.now(UTC))
    await store.close()

    check = await scene.run("check", ALLOWED_CHATS=",", ADMINS=",")
    assert await check.end() == 0
    assert "  ok  admin by a /start code: 1234; let in by admins: 0" in check.row("people")


@about_sqlite
async def test_check_does_not_migrate_what_an_older_bot_may_be_using(scene: Scene):
    file = scene.folder / "reelwatch.db"
    with closing(sqlite3.connect(file)) as database:
        make_schema(database, schema=3)

    check = await scene.run("check", ALLOWED_CHATS=",", ADMINS=",")
    assert await check.end() == 0
    assert f"; the next start migrates it from schema 3 to {schema_version()}" in check.row("database")
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,)


async def test_check_lists_everything_that_fails(scene: Scene):
    (scene.folder / "file").write_text("")
    check = await scene.run(
        "check",
        TELEGRAM_BOT_TOKEN="7000000001:AAwrong-token-of-nobody-at-all",
        DATABASE_URL=f"sqlite:///{scene.folder / 'file' / 'reelwatch.db'}",
        PROVIDERS__MINE__KIND="videos",
        PROVIDERS__MINE__BASE_URL=scene.gateway.url,
        PROVIDERS__MINE__API_KEY="sk-no-key-of-this-gateway",
    )
    assert await check.end() == 1
    for what in ("telegram", "database", "provider mine"):
        assert "  error  " in check.row(what)
    assert "  error  the gateway rejects the key: " in check.row("provider mine")
    assert "  ok  " in check.row("provider videos")
    assert "AAwrong" not in check.output + check.log
    assert "sk-no-key" not in check.output + check.log
    assert "Traceback" not in check.log


async def test_check_warns_of_a_gateway_whose_clock_differs(scene: Scene):
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    scene.gateway.replay(
        "/v1/videos/reelwatch-check-no-such-task",
        http_status=404,
        headers={"Date": format_datetime(two_hours_ago, usegmt=True)},
        body={"error": {"code": "task_not_found", "message": "no such task"}},
    )

    check = await scene.run(
        "check",
        GATEWAY_BASE_URL="",
        GATEWAY_API_KEY="",
        PROVIDERS__MINE__KIND="videos",
        PROVIDERS__MINE__BASE_URL=scene.gateway.url,
        PROVIDERS__MINE__API_KEY=scene.gateway.key,
    )

    assert await check.end() == 0
    assert f"  warn  {scene.gateway.url} is 72" in check.row("clock")
    assert "s behind this machine's" in check.row("clock")

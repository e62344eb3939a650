"""A PostgreSQL database in DATABASE_URL: `check`, starts that are refused, and the password nowhere."""

import asyncio
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.e2e.program import Program
from tests.e2e.scene import Scene
from tests.fakes.postgres import refusing_server
from tests.postgres.schemas import new_schema

PASSWORD = "correct-horse@home"


def assert_no_password(*programs: Program) -> None:
    shown = "".join(program.output + program.log for program in programs)
    assert "correct-horse" not in shown
    assert "Traceback" not in shown
    assert "somebody" not in shown


@pytest.fixture
def empty_schema(postgres_server: str) -> Iterator[str]:
    with new_schema(postgres_server) as url:
        yield url


async def test_check_shows_the_server_and_changes_nothing(scene: Scene, empty_schema: str):
    for _ in range(2):
        check = await scene.run("check", DATABASE_URL=empty_schema)
        assert await check.end() == 0
        assert "; the first start makes the tables" in check.row("database")
        assert "  ok  " in check.row("latency")
        assert "none leads; standing by: 0" in check.row("replicas")


@pytest.mark.parametrize("password", ["correct-horse", PASSWORD])
async def test_a_login_that_is_refused_ends_the_start_with_a_sentence(scene: Scene, password: str):
    async with refusing_server() as port:
        place = f"127.0.0.1:{port}/name"
        url = f"postgresql://somebody:{quote(password)}@{place}"
        bot, check, export = await asyncio.gather(
            scene.run(DATABASE_URL=url, LOG_LEVEL="DEBUG"),
            scene.run("check", DATABASE_URL=url, LOG_LEVEL="DEBUG"),
            scene.run("export", "a.jsonl", DATABASE_URL=url),
        )
        statuses = [await program.end() for program in (bot, check, export)]

    sentence = f"The database postgresql://{place} refuses the user or password in DATABASE_URL."
    assert statuses == [2, 1, 2]
    assert bot.log.splitlines()[-1] == export.log.strip() == sentence
    assert f"  error  {sentence}" in check.row("database")
    assert f"postgresql://{place}" in check.row("DATABASE_URL")
    assert_no_password(bot, check, export)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("ssl_min_protocol_version=9", "DATABASE_URL has a parameter that can't be used."),
        ("sslmode=verify-full&sslrootcert=/nowhere", "A file of a certificate or key in DATABASE_URL cannot"),
        ("sslmode=verify-full", "The sslmode in DATABASE_URL needs the file of a certificate,"),
        ("sslmode=require", "offers no TLS, which sslmode in DATABASE_URL asks for."),
        ("sslmode=maybe", "DATABASE_URL has an sslmode that is not one of disable, "),
        ("search_path=a&pgbouncer=true", "DATABASE_URL has a search_path, which pgbouncer does not hand on;"),
    ],
)
async def test_a_parameter_that_cannot_be_used_ends_the_start_with_a_sentence(
    scene: Scene, parameters: str, sentence: str
):
    async with refusing_server() as port:
        url = f"postgresql://somebody:{quote(PASSWORD)}@127.0.0.1:{port}/name?{parameters}"
        bot = await scene.run(DATABASE_URL=url, LOG_LEVEL="DEBUG", HOME=str(scene.folder))
        assert await bot.end() == 2

    assert sentence in bot.log.splitlines()[-1]
    assert_no_password(bot)


async def test_check_says_that_a_server_is_away(scene: Scene):
    url = f"postgresql://somebody:{quote(PASSWORD)}@127.0.0.1:1/name"
    check = await scene.run("check", DATABASE_URL=url, LOG_LEVEL="DEBUG")
    assert await check.end() == 1

    sentence = "The database postgresql://127.0.0.1:1/name cannot be reached: Connection refused."
    assert f"  error  {sentence}" in check.row("database")
    assert_no_password(check)

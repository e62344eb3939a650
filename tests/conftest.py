"""Fixtures of all tests: no settings of this machine, times in UTC, a frozen clock, a real store."""

import gc
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bot.config import Settings
from storage.factory import open_store
from storage.store import Store
from tests.browser.chromium import NO_BROWSER
from tests.fakes.clock import FrozenClock
from tests.fakes.databases import new_database
from tests.postgres.schemas import empty, new_schema
from tests.postgres.server import run_server, wheel

# Examples per hypothesis test: few and deterministic by default, many with --hypothesis-profile=bench.
# That a busy machine makes them slowly is no failure.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", _PATIENT, max_examples=100, derandomize=True, database=None)
settings.register_profile("bench", _PATIENT, max_examples=100_000 // 8)
settings.load_profile("repeatable")

os.environ["TZ"] = "UTC"
time.tzset()

NO_POSTGRES = (
    "No test ran on PostgreSQL: there is none for this platform. POSTGRES_TEST_URL can name a server."
)

_ENGINE = re.compile(r"/contract/store/.*[\[-](sqlite|postgres)[\]-]")

_SCRUBBED = {each.name for each in fields(Settings)} | {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def pytest_collection_finish() -> None:
    """Take what is collected, which stays, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on which engine."""
    engines = Counter(
        found[1]
        for report in terminalreporter.stats.get("passed", [])
        if (found := _ENGINE.search(report.nodeid)) and report.when == "call"
    )
    if engines:
        counts = ", ".join(f"{count} on {engine}" for engine, count in sorted(engines.items()))
        terminalreporter.write_line(f"Tests of the store that passed: {counts}")
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for sentence in (NO_POSTGRES, NO_BROWSER):
        if any(sentence in why for why in skipped):
            terminalreporter.write_line(sentence, red=True, bold=True)


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, proxy or .env of this machine; PTB returns timedeltas, without a deprecation warning."""
    for name in list(os.environ):
        if name.lower().partition("__")[0].removesuffix("_file") in _SCRUBBED:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store on disk."""
    opened = await open_store(await new_database(tmp_path / "reelwatch.db"))
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server: that of POSTGRES_TEST_URL, or one of this process's own."""
    if given := os.environ.get("POSTGRES_TEST_URL"):
        yield given
        return
    if (package := wheel()) is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(NO_POSTGRES)
    with run_server(package) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_schema(postgres_server: str) -> Iterator[str]:
    """The URL of a schema of this process's own."""
    with new_schema(postgres_server) as url:
        yield url


@pytest.fixture
async def postgres_url(postgres_schema: str) -> str:
    """The URL of a schema without rows."""
    await empty(postgres_schema)
    return postgres_schema

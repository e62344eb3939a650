"""Fixtures of all tests: no settings of this machine, times in UTC, a frozen clock, a real store."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import settings

from bot.config import Settings
from storage.factory import open_store
from storage.store import Store
from tests.fakes.clock import FrozenClock

# Examples per hypothesis test: few and deterministic by default, many with --hypothesis-profile=bench.
settings.register_profile("repeatable", max_examples=400, derandomize=True, deadline=None, database=None)
settings.register_profile("bench", max_examples=100_000 // 8, deadline=None)
settings.load_profile("repeatable")

os.environ["TZ"] = "UTC"
time.tzset()

_SETTINGS = {each.name for each in fields(Settings)}
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, proxy or .env of this machine; PTB returns timedeltas, without a deprecation warning."""
    for name in list(os.environ):
        if name.lower().partition("__")[0].removesuffix("_file") in _SETTINGS | _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store on disk."""
    opened = await open_store(tmp_path / "reelwatch.db")
    yield opened
    await opened.close()

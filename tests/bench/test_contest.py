"""The benchmark's contestants."""

from pathlib import Path

from bot.config import load_settings
from tests.bench.contest import bot_settings
from tests.bench.kinds import KINDS


def test_the_program_accepts_the_benchmarks_settings(tmp_path: Path):
    settings = load_settings(
        bot_settings("http://127.0.0.1:1", "http://127.0.0.1:2", f"sqlite:///{tmp_path}/a.db")
    )

    assert {config.name for config in settings.providers} == set(KINDS)

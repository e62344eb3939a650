"""Fixtures of the end-to-end tests: a scene for each, and the demos in the background."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.program import command, environment
from tests.e2e.scene import Scene

CASE = Path(__file__).parents[1] / "fixtures" / "providers" / "alibailian" / "failed_moderation.json"
Demos = dict[str, subprocess.Popen[str]]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene for tests that start and stop the bot themselves."""
    async with Scene.open(tmp_path) as scene:
        yield scene


@pytest.fixture(scope="session", autouse=True)
def demos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """The tour, one recorded response, and the page without a terminal; started first: they mostly wait."""
    wanted = any(item.path.name == "test_tour.py" for item in request.session.items)
    options: dict[str, tuple[str, ...]] = {}
    if wanted:
        options = {"tour": ("--once",), "case": ("--case", str(CASE)), "page": ("--port", "0")}
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(
                subprocess.Popen(
                    command("demo", *each),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=tmp_path_factory.mktemp(name),
                    env=environment({}),
                    text=True,
                )
            )
            for name, each in options.items()
        }
        for demo in started.values():
            stack.callback(demo.kill)
        yield started

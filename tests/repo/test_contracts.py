"""The import contracts and the type checker see every edge between the modules."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.tree import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The program alone, to be broken."""
    for name in ("bot", "storage"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> tuple[int, str]:
    """A tool of the development environment, in a folder."""
    tool = Path(sys.executable).with_name(command[0])
    ended = subprocess.run([tool, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("bot/polling/scheduler.py", "from bot.outbox import worker", "The layers of the bot"),
        ("bot/watching/poll.py", "from bot import app", "The layers of the bot"),
        ("bot/sandbox/demo.py", "from bot.providers import registry", "The layers of the bot"),
        ("bot/sandbox/tour.py", "import storage.models", "The sandbox imports nothing of storage"),
        ("bot/app.py", "import bot.sandbox", "Only the command line imports the sandbox"),
        ("bot/workers.py", "import bot.demo_state", "Only the command line imports the sandbox"),
        ("storage/models.py", "import bot.errors", "storage imports nothing of bot"),
        ("bot/media/cache.py", "import httpx", "httpx is imported for Telegram and the gateways only"),
        (
            "bot/watching/poll.py",
            "import aiohttp",
            "aiohttp is imported where files and gateways are fetched, and by the servers",
        ),
    ],
)
def test_a_forbidden_import_breaks_a_contract(copy: Path, module: str, line: str, contract: str):
    source = copy / module
    source.write_text(f"{source.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")

    status, report = run(copy, "lint-imports", "--no-cache")

    assert status != 0
    assert f"{contract} BROKEN" in report


def test_the_bot_loads_nothing_of_the_demo():
    loaded = "[name for name in sys.modules if name.startswith(('bot.sandbox', 'bot.demo'))]"
    code = f"import sys, bot.cli, bot.app, bot.check, bot.backup, bot.transfer; print({loaded})"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_broken_call_from_the_composition_root_to_the_workers_is_a_type_error(copy: Path):
    app = copy / "bot/app.py"
    source = app.read_text(encoding="utf-8")
    call = "run_workers(resources, bot, cadence)"
    assert call in source
    app.write_text(source.replace(call, "run_workers(resources, cadence)"), encoding="utf-8")

    status, report = run(copy, "mypy", "--cache-dir", str(copy / "cache"), "bot/app.py")

    assert status != 0
    assert 'Missing positional argument "bot" in call to "run_workers"' in report


def test_no_module_is_imported_by_its_name_as_a_string():
    sources = [path for folder in ("bot", "storage") for path in (ROOT / folder).rglob("*.py")]

    assert [path for path in sources if "import_module" in path.read_text(encoding="utf-8")] == []

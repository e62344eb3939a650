"""The operators' pages: English and Chinese tell the same, and what they name exists."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bot import config
from bot.chat.commands import BY_NAME
from bot.provider_settings import FIELDS
from tests.repo.tree import ROOT, text

ENGLISH, CHINESE = ROOT / "docs", ROOT / "docs" / "zh"
PAGES = sorted(page.name for page in CHINESE.glob("*.md"))
ALL = [f"docs/{folder}{name}" for name in PAGES for folder in ("", "zh/")]

# Names in capitals that are no settings of the bot.
OF_OTHERS = {
    "BASE_IMAGE",
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "POSTGRES_IMAGE",
    "POSTGRES_PASSWORD",
    "REELWATCH_IMAGE",
    "SSL_CERT_FILE",
    "TELEGRAM_API_ID",
    "TELEGRAM_API_HASH",
}
PATHS = {
    "data",
    "healthz",
    "livez",
    "metrics",
    "mnt",
    "newbot",
    "readyz",
    "revoke",
    "videos",
}  # and @BotFather's
SECURITY = ("docs/security.md", "docs/zh/security.md")
MADE_BY_READERS = {"compose.ports.yaml"}

every_page = pytest.mark.parametrize("page", ALL)


def code(page: str) -> list[str]:
    """The blocks of code and what is set in code type, without the program's own sentences."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text(page), re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^- `.*`$", "", prose, flags=re.MULTILINE)
    return [*blocks, *re.findall(r"`([^`\n]+)`", prose)]


def without_comments(block: str) -> str:
    return re.sub(r"\s+#\s.*", "", block)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_its_twin(name: str):
    assert f"(zh/{name})" in text(f"docs/{name}").splitlines()[2]
    assert f"(../{name})" in text(f"docs/zh/{name}").splitlines()[2]


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_have_the_same_shape(name: str):
    shapes = [
        re.findall(r"^(#+ | *\d\. |```)", text(page), re.MULTILINE)
        for page in (f"docs/{name}", f"docs/zh/{name}")
    ]

    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_have_the_same_commands(name: str):
    blocks = [
        [[without_comments(line) for line in block.splitlines()] for block in code(page) if "\n" in block]
        for page in (f"docs/{name}", f"docs/zh/{name}")
    ]

    assert blocks[0] == blocks[1]


@every_page
def test_every_setting_that_a_page_names_exists(page: str):
    named = set(re.findall(r"\b[A-Z][A-Z0-9]+_[A-Z0-9_<>]*[A-Z]\b", "\n".join(code(page))))
    own = {name for name in named if not re.fullmatch(r"PROVIDERS__[A-Z<>]+__[A-Z_]+", name)}

    assert own - {name.upper() for name in config._NAMES} - {*FIELDS} - OF_OTHERS == set()
    assert {name.rpartition("__")[2] for name in named - own} <= {*FIELDS}


@every_page
def test_every_command_that_a_page_names_exists(page: str):
    given = "\n".join(code(page))
    programs = re.findall(r"(?:(?<!-u )\breelwatch|python -m bot) (?!reelwatch\b)([a-z]+)\b", given)
    targets = re.findall(r"\bmake ([a-z]+)\b", given)
    in_chats = [each[1:].split()[0] for each in code(page) if re.match(r"/[a-z]+( |$)", each)]

    assert [each for each in programs if f'add_parser("{each}"' not in text("bot/cli.py")] == []
    assert [each for each in targets if f"\n{each}:" not in text("Makefile")] == []
    assert {*in_chats} <= {*BY_NAME} | PATHS


@every_page
def test_every_file_that_a_page_names_exists(page: str):
    named = re.findall(
        r"(?<![\w/.:-])[\w.-][\w./-]*\.(?:yaml|service|example|json|toml)(?![\w.])", "\n".join(code(page))
    )

    assert [
        name
        for name in sorted({*named} - MADE_BY_READERS)
        if not (ROOT / name).exists() and not (ENGLISH / name).exists()
    ] == []


def test_the_service_file_is_one_that_systemd_takes(tmp_path: Path):
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text("docs/reelwatch.service"))
    assert (unit["Service"]["Type"], unit["Service"]["RestartPreventExitStatus"]) == ("notify", "2")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is part of systemd")

    service = tmp_path / "reelwatch.service"
    service.write_text(text("docs/reelwatch.service").replace("/srv/reelwatch/.venv/bin/python", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", service], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", SECURITY)
def test_every_row_of_the_threat_model_names_its_test(page: str):
    rows = [line for line in text(page).splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row.split(" | ")[-1] not in {"test |", "测试 |"}]

    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py` \|$", row)] == []


def test_both_threat_models_name_the_same_code_and_tests():
    named = [re.findall(r"`((?:bot|storage|tests)/[\w/.]+)`", text(page)) for page in SECURITY]

    assert named[0] == named[1]


@pytest.mark.parametrize("page", ["docs/operate.md", "docs/zh/operate.md"])
def test_the_configuration_of_nginx_is_the_one_that_is_tested(page: str):
    assert f"```nginx\n{text('tests/fixtures/nginx/webhook.conf').strip()}\n```" in text(page)

"""The English and the Chinese half of the manual tell the same, and all of it."""

import re
from dataclasses import fields

import pytest

from bot.chat.commands import COMMANDS
from bot.cli import main
from bot.config import Settings
from bot.providers.registry import KINDS
from tests.repo.tree import text

ENGLISH, CHINESE = "README.md", "README.zh.md"

both = pytest.mark.parametrize("readme", [ENGLISH, CHINESE])


@both
def test_a_readme_lists_every_chat_command(readme: str):
    assert [command.name for command in COMMANDS if f"`/{command.name}" not in text(readme)] == []


@both
def test_a_readme_lists_every_command_of_the_program(readme: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE)

    assert len(commands) >= 4
    assert [name for name in commands if f"`{name}`" not in text(readme)] == []


@both
def test_a_readme_lists_every_setting(readme: str):
    names = [each.name.upper() for each in fields(Settings) if each.name != "providers"]

    assert [name for name in names if f"`{name}`" not in text(readme)] == []


@both
def test_a_readme_lists_every_wire_format_and_its_aliases(readme: str):
    words = [word for kind, aliases in KINDS.items() for word in (kind, *aliases)]

    assert [word for word in words if f"`{word}`" not in text(readme)] == []


@both
def test_the_first_screen_shows_the_demo_the_tests_and_the_start(readme: str):
    screen = "\n".join(text(readme).splitlines()[:32])

    for line in ("make demo", "make test", "cp .env.example .env", "docker compose up -d", "make run"):
        assert line in screen


def test_both_readmes_have_the_same_sections():
    english, chinese = parts(ENGLISH), parts(CHINESE)

    assert english == chinese


def test_both_readmes_name_the_same_things():
    assert names_in(ENGLISH) == names_in(CHINESE)


def parts(readme: str) -> list[str]:
    """The shape of a page: its headlines' levels, tables' rows, lists' points and blocks of code."""
    return re.findall(r"^(#+ |\||- |```)", text(readme), flags=re.MULTILINE)


def names_in(readme: str) -> set[str]:
    """What is set in code type."""
    return set(re.findall(r"`([^`\n]+)`", text(readme)))

"""The English and the Chinese half of the manual tell the same, and all of it."""

import re
from dataclasses import fields

import pytest

from bot.chat.commands import COMMANDS
from bot.cli import main
from bot.config import Settings
from bot.providers.registry import KINDS
from tests.repo.tree import ROOT, text

README = ("README.md", "README.zh.md")
USE = ("docs/use.md", "docs/zh/use.md")
SETTINGS = ("docs/settings.md", "docs/zh/settings.md")

# What is seen of a README before anybody scrolls, or right after.
FIRST_SCREEN = (
    "make demo",
    "http://127.0.0.1:8090",
    "make test",
    "docker run --rm -p 127.0.0.1:8090:8090 reelwatch demo --host 0.0.0.0",
    "cp .env.example .env",
    "docker compose up -d",
    "make run",
)

twins = pytest.mark.parametrize(("english", "chinese"), [README, USE, SETTINGS])


@pytest.mark.parametrize("page", USE)
def test_the_page_about_the_chat_lists_every_command(page: str):
    assert [command.name for command in COMMANDS if f"`/{command.name}" not in text(page)] == []


@pytest.mark.parametrize("page", SETTINGS)
def test_the_page_about_settings_lists_every_command_of_the_program(
    page: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE)

    assert len(commands) >= 4
    assert [name for name in commands if f"`{name}`" not in text(page)] == []


@pytest.mark.parametrize("page", SETTINGS)
def test_the_page_about_settings_lists_every_setting(page: str):
    names = [each.name.upper() for each in fields(Settings) if each.name != "providers"]

    assert [name for name in names if f"`{name}`" not in text(page)] == []


@pytest.mark.parametrize("page", SETTINGS)
def test_the_page_about_settings_lists_every_wire_format_and_its_aliases(page: str):
    words = [word for kind, aliases in KINDS.items() for word in (kind, *aliases)]

    assert [word for word in words if f"`{word}`" not in text(page)] == []


@pytest.mark.parametrize("readme", README)
def test_the_first_screen_shows_the_demo_its_page_the_tests_and_the_start(readme: str):
    screen = "\n".join(text(readme).splitlines()[:32])

    assert [line for line in FIRST_SCREEN if line not in screen] == []
    assert re.search(
        r'<source media="\(prefers-color-scheme: dark\)" srcset="docs/pictures/\S+-dark\.webp">', screen
    )


@pytest.mark.parametrize("readme", README)
def test_a_readme_is_short(readme: str):
    assert len(text(readme).splitlines()) <= 120


@pytest.mark.parametrize("readme", README)
def test_every_picture_of_a_readme_exists_says_what_it_shows_and_is_in_its_language(readme: str):
    language = "zh" if readme == README[1] else "en"
    pictures = re.findall(r"<img [^>]*>", text(readme))
    shown = re.findall(r'(?:src|srcset)="([^"]+)"', text(readme))

    assert len(shown) > len(pictures) > 0
    assert [path for path in shown if not (ROOT / path).exists()] == []
    assert [path for path in shown if f"-{language}" not in path] == []
    assert [picture for picture in pictures if not re.search(r'alt="[^"]{5,}"', picture)] == []


@twins
def test_both_languages_have_the_same_sections(english: str, chinese: str):
    assert parts(english) == parts(chinese)


@twins
def test_both_languages_name_the_same_things(english: str, chinese: str):
    assert names_in(english) == names_in(chinese)


@pytest.mark.parametrize("number", [0, 1])
def test_a_readme_links_every_page_in_its_language(number: int):
    pages = {page.name for page in (ROOT / "docs" / "zh").glob("*.md")}
    folder = ("docs/", "docs/zh/")[number]

    assert [page for page in sorted(pages) if f"({folder}{page}" not in text(README[number])] == []


def parts(page: str) -> list[str]:
    """The shape of a page: its headlines' levels, tables' rows, lists' points and blocks of code."""
    return re.findall(r"^(#+ |\||- |```)", text(page), flags=re.MULTILINE)


def names_in(page: str) -> set[str]:
    """What is set in code type."""
    return set(re.findall(r"`([^`\n]+)`", text(page)))

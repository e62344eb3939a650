""".env.example is in step with bot/config.py."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from bot.config import Settings, SettingsError, load_settings
from bot.provider_settings import ProviderSettings
from bot.setting_types import NOBODY
from tests.repo.tree import text

NEEDED = {
    "TELEGRAM_BOT_TOKEN": "1234567:made-up-for-a-test",
    "GATEWAY_API_KEY": "made-up-for-a-test",
    "GATEWAY_BASE_URL": "https://gateway.example.com",
}
UNSET: tuple[object, ...] = (None, "", frozenset(), NOBODY)
EXAMPLE = "PROVIDERS__STUDIO__"
FILLED_IN = NEEDED | {f"{EXAMPLE}API_KEY": "made-up-for-a-test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGroup:
    """A setting as the example shows it."""

    name: str
    value: str
    is_commented_out: bool
    meaning: str  # the line before


def groups() -> list[list[KeyGroup]]:
    """The settings between one headline and the next."""
    return [lines for part in text(".env.example").split("\n\n\n") if (lines := settings_in(part))]


def settings_in(part: str) -> list[KeyGroup]:
    found = re.findall(r"^(.*)\n(#?)([A-Z][A-Z_]+)=(.*)$", part, flags=re.MULTILINE)
    return [
        KeyGroup(name=name, value=value, is_commented_out=bool(sign), meaning=before)
        for before, sign, name, value in found
    ]


def every_line() -> list[KeyGroup]:
    return [line for group in groups() for line in group]


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    """The .env that load_settings() finds: tests run in an empty folder and a scrubbed environment."""
    return tmp_path / ".env"


def test_it_names_every_setting_once_and_nothing_else():
    names = [line.name for line in every_line() if not line.name.startswith(EXAMPLE)]

    assert sorted(names) == sorted(each.name.upper() for each in fields(Settings) if each.name != "providers")


def test_its_example_of_a_provider_has_every_field():
    names = [line.name.removeprefix(EXAMPLE) for line in every_line() if line.name.startswith(EXAMPLE)]

    assert sorted(names) == sorted(each.name.upper() for each in fields(ProviderSettings))


def test_settings_are_grouped_and_sorted_within_groups():
    assert len(groups()) == 10
    for group in groups():
        names = [line.name for line in group]
        assert names == sorted(names)


def test_required_settings_come_first():
    names = [line.name for line in every_line()]

    assert set(names[:5]) == {*NEEDED, "ADMINS", "ALLOWED_CHATS"}
    assert names[0] == "TELEGRAM_BOT_TOKEN"


def test_each_setting_has_a_description():
    for line in every_line():
        assert re.fullmatch(r"# .{10,}\.", line.meaning), line


def test_only_required_settings_are_to_be_filled_in():
    assert {line.name for line in every_line() if not line.is_commented_out} == set(NEEDED)


def test_commented_lines_show_the_defaults():
    shown = {line.name: line.value for line in every_line() if line.is_commented_out}

    for each in fields(Settings):
        if each.name.upper() in shown:
            loaded = load_settings(NEEDED | {each.name.upper(): shown[each.name.upper()]})
            assert getattr(loaded, each.name) == each.default, each.name
            assert shown[each.name.upper()] or each.default in UNSET, each.name


def test_it_loads_once_the_required_settings_are_filled_in(dotenv: Path):
    content = text(".env.example")
    for name, value in NEEDED.items():
        content = content.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    dotenv.write_text(content, encoding="utf-8")

    assert load_settings() == load_settings(NEEDED)


def test_it_loads_with_every_line_uncommented(dotenv: Path):
    lines = [f"{line.name}={FILLED_IN.get(line.name, line.value)}" for line in every_line()]
    dotenv.write_text("\n".join(lines), encoding="utf-8")

    settings = load_settings()

    assert [config.name for config in settings.providers][-1] == "studio"


def test_unchanged_it_reports_the_missing_settings(dotenv: Path):
    dotenv.write_text(text(".env.example"), encoding="utf-8")

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert refusal.value.mistakes == ["TELEGRAM_BOT_TOKEN is missing."]

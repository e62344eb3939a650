"""Secrets from files of their own: `…_FILE`."""

import os
from pathlib import Path

import pytest

from bot.config import SettingsError, foreign_names, load_database, load_settings, names_from_files
from bot.secret_files import MOST
from tests.unit.test_config import GATEWAY, TOKEN, load, mistakes

SECRET = "1234567:hunter2-from-file"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that holds a token."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\ufeff{}\n", " {} \n\n"])
def test_a_secret_is_read_from_its_file_without_what_editors_put_around_it(file: Path, around: str):
    file.write_text(around.format(SECRET), encoding="utf-8", newline="")

    settings = load_settings({"TELEGRAM_BOT_TOKEN_FILE": str(file)})

    assert settings.telegram_bot_token == SECRET
    assert SECRET in settings.secrets


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("GATEWAY_API_KEY", "sk-1", lambda s: s.gateway_api_key == "sk-1"),
        ("TELEGRAM_PROXY", "http://me:pw@p.example:2", lambda s: s.telegram_proxy.password == "pw"),
        ("PROVIDER_PROXY", "http://p.example:3", lambda s: s.provider_proxy.port == 3),
        ("DOWNLOAD_PROXY", "http://p.example:4", lambda s: s.download_proxy.port == 4),
        ("DATABASE_URL", "sqlite:///of-file.db", lambda s: s.database == Path("of-file.db")),
    ],
)
def test_every_secret_can_be_given_as_a_file(file: Path, name, content, read):
    file.write_text(content)

    assert read(load({f"{name}_FILE": str(file)}))


def test_a_provider_s_key_can_be_given_as_a_file(file: Path):
    file.write_text("sk-hunter2-own\n")

    (*_, provider) = load(
        GATEWAY,
        PROVIDERS__MINE__KIND="veo",
        PROVIDERS__MINE__BASE_URL="https://own.example",
        PROVIDERS__MINE__API_KEY_FILE=str(file),
    ).providers

    assert provider.api_key == "sk-hunter2-own"


def test_a_relative_path_begins_at_the_folder_of_the_start_and_names_are_read_in_any_case(file: Path):
    assert load_settings({"telegram_bot_token_file": file.name}).telegram_bot_token == SECRET


def test_a_secret_given_twice_is_a_mistake(file: Path):
    assert mistakes(TELEGRAM_BOT_TOKEN_FILE=str(file)) == [
        "TELEGRAM_BOT_TOKEN and TELEGRAM_BOT_TOKEN_FILE are both set: remove one."
    ]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"", "names an empty file"),
        (b" \n\t\n", "names an empty file"),
        (b"hunter2\xff\xfe", "names a file that is not UTF-8 text"),
        ("hunter2".encode("utf-16"), "names a file that is not UTF-8 text"),
        (b"hunter2\0hunter2", "names a file that is not text"),
        (b"hunter2\nhunter2", "names a file of several lines; it may hold nothing but the secret"),
        (b"hunter2" * MOST, f"names a file of more than {MOST} bytes, which holds no secret"),
    ],
)
def test_a_file_that_holds_no_secret_is_one_sentence_without_its_content(
    file: Path, content: bytes, mistake: str
):
    file.write_bytes(content)

    assert mistakes(GATEWAY_BASE_URL="https://gw.example", GATEWAY_API_KEY_FILE=str(file)) == [
        f"GATEWAY_API_KEY_FILE {mistake}."
    ]


def test_a_file_of_the_greatest_size_is_read(file: Path):
    file.write_text("k" * MOST)

    assert load(GATEWAY_API_KEY_FILE=str(file)).gateway_api_key == "k" * MOST


@pytest.mark.parametrize("path", ["hunter2", "hunter2/x", "/etc/passwd/hunter2"])
def test_a_missing_file_is_one_sentence_without_its_path_which_may_be_the_secret_itself(path: str):
    assert mistakes(GATEWAY_API_KEY_FILE=path) == ["GATEWAY_API_KEY_FILE names a file that does not exist."]


def test_a_path_that_no_file_can_have_is_one_sentence():
    assert mistakes(GATEWAY_API_KEY_FILE="hunter2" * 1000) == [
        "GATEWAY_API_KEY_FILE names a file that cannot be read."
    ]
    assert mistakes(GATEWAY_API_KEY_FILE="hunter2\0") == [
        "GATEWAY_API_KEY_FILE names a file that cannot be read."
    ]


def test_a_folder_a_device_and_a_pipe_are_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")

    assert mistakes(
        GATEWAY_API_KEY_FILE=str(tmp_path), TELEGRAM_PROXY_FILE="/dev/zero", PROVIDER_PROXY_FILE="pipe"
    ) == [
        "GATEWAY_API_KEY_FILE names a folder, not a file.",
        "TELEGRAM_PROXY_FILE names a device or pipe, not a file.",
        "PROVIDER_PROXY_FILE names a device or pipe, not a file.",
    ]


def test_a_file_that_the_user_may_not_read_is_told_with_the_user(file: Path):
    """Compose mounts a secret with the mode and owner that it has on the host."""
    file.chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read every file")

    assert mistakes(GATEWAY_API_KEY_FILE=str(file)) == [
        f"GATEWAY_API_KEY_FILE names a file that user {os.geteuid()} may not read."
    ]


def test_a_wrong_value_is_told_to_be_from_the_file(file: Path):
    file.write_text("hunter2")

    with pytest.raises(SettingsError) as refusal:
        load_settings({"TELEGRAM_BOT_TOKEN_FILE": str(file)})

    [mistake] = refusal.value.mistakes
    assert mistake.startswith("TELEGRAM_BOT_TOKEN, read from its file, is not a bot token")


def test_only_secrets_are_read_from_files(file: Path):
    settings = load(LOG_LEVEL_FILE=str(file), API_KEY_FILE="/nowhere", LANGUAGE_FILE="/nowhere")

    assert settings.language == "auto"
    (mistake,) = mistakes(GATEWAY, PROVIDERS__WAN__BASE_URL_FILE=str(file))
    assert mistake.startswith("PROVIDERS__WAN__BASE_URL_FILE is not a setting; a provider has")


def test_check_can_tell_which_secrets_are_from_files(file: Path, monkeypatch: pytest.MonkeyPatch):
    (file.parent / ".env").write_text("PROVIDERS__WAN__API_KEY_FILE=token\nA_FILE=b\nGATEWAY_API_KEY_FILE=\n")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(file))

    assert names_from_files() == {"telegram_bot_token", "providers__wan__api_key"}
    assert foreign_names() == ["A_FILE"]


def test_without_files_there_are_none():
    assert load(TOKEN).telegram_bot_token == TOKEN["TELEGRAM_BOT_TOKEN"]
    assert names_from_files() == frozenset()


def test_commands_that_need_only_the_database_read_its_file_too(file: Path, monkeypatch: pytest.MonkeyPatch):
    file.write_text("sqlite:////srv/of-file.db\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    monkeypatch.setenv("GATEWAY_API_KEY_FILE", "/nowhere")

    assert load_database() == Path("/srv/of-file.db")

    file.write_text("")
    monkeypatch.setenv("DATABASE_URL_FIEL", str(file))
    with pytest.raises(SettingsError) as refusal:
        load_database()
    assert refusal.value.mistakes == [
        "DATABASE_URL_FIEL is not a setting; DATABASE_URL_FILE is meant.",
        "DATABASE_URL_FILE names an empty file.",
    ]

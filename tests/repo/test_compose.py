"""The compose files are valid, start the bot in two lines, and hold it in bounds."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.config import load_settings
from tests.repo.tree import ROOT, text

FILES = ("compose.yaml", "compose.override.yaml", "compose.bot-api.yaml", "compose.postgres.yaml")
BOUNDS = ("mem_limit:", "pids_limit:", "max-size: 10m", "read_only: true", "- ALL", "no-new-privileges:true")


def setting(name: str, file: str) -> str:
    """The value of a key that is in the file once."""
    [line] = [line.strip() for line in text(file).splitlines() if line.strip().startswith(f"{name}:")]
    return line.partition(": ")[2].partition(" #")[0].strip('"')


def test_every_file_follows_the_compose_specification():
    check = Path(sys.executable).with_name("check-jsonschema")
    paths = [ROOT / name for name in FILES]

    assert sorted(paths) == sorted(ROOT.glob("compose*.yaml"))
    subprocess.run([check, "--builtin-schema", "vendor.compose-spec", *paths], check=True)


@pytest.mark.parametrize(
    "line", ["env_file: .env", "restart: unless-stopped", "- data:/data", "stop_grace_period: 15s"]
)
def test_it_runs_with_dotenv_settings_and_a_volume(line: str):
    assert line in text("compose.yaml")


def test_the_project_is_named_so_that_the_volume_does_not_depend_on_the_folder():
    assert text("compose.yaml").startswith("name: reelwatch ")


def test_without_a_clone_an_image_is_named_and_in_a_clone_each_start_builds_it():
    assert setting("image", "compose.yaml") == "${REELWATCH_IMAGE:-reelwatch}"
    assert "build:" not in text("compose.yaml")
    assert setting("context", "compose.override.yaml") == "."
    assert setting("pull_policy", "compose.override.yaml") == "build"


def test_the_arguments_of_the_build_are_those_of_the_dockerfile():
    *_, arguments = (
        text("compose.override.yaml").partition("args:")[2].partition("pull_policy")[0].partition("\n")
    )
    names = [line.strip().removeprefix("- ") for line in arguments.splitlines() if "- " in line]

    assert names
    assert [name for name in names if f"\nARG {name}" not in text("Dockerfile")] == []


@pytest.mark.parametrize("file", ["compose.yaml", "compose.bot-api.yaml", "compose.postgres.yaml"])
def test_every_container_is_bounded_and_has_no_rights(file: str):
    assert [bound for bound in BOUNDS if bound not in text(file)] == []


def test_no_port_is_published():
    assert [name for name in FILES if "ports" in text(name)] == []


def test_the_bot_api_server_reads_videos_as_the_bots_own_user_at_the_same_path():
    file = "compose.bot-api.yaml"
    names = ("TELEGRAM_API_URL", "TELEGRAM_LOCAL_MODE", "DATA_DIR")
    given = {name: setting(name, file) for name in names}
    settings = load_settings(given | {"TELEGRAM_BOT_TOKEN": "1234567:made-up-for-a-test"})

    assert settings.telegram_local_mode
    assert (
        text(file).count(f"- videos:{settings.data_dir}\n")
        + text(file).count(f"- videos:{settings.data_dir} #")
        == 2
    )
    assert f"--dir={settings.data_dir}" in setting("command", file)
    assert "data:" not in text(file)
    assert setting("user", file) in text("Dockerfile")


def test_three_replicas_use_the_database_beside_them():
    file, password = "compose.postgres.yaml", "made-up-for-a-test"
    variable = "${POSTGRES_PASSWORD:?make one with openssl rand -hex 24}"
    url = setting("DATABASE_URL", file).replace(variable, password)

    assert setting("replicas", file) == "3"
    assert url == f"postgresql://{setting('POSTGRES_USER', file)}:{password}@postgres/reelwatch"
    assert "\n  postgres:\n    image:" in text(file)
    assert "condition: service_healthy" in text(file)

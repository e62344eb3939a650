"""The image is built from what is locked, runs as nobody and keeps its state in one place."""

import json
import re

import pytest

from bot.config import load_settings
from tests.repo.tree import ROOT, text

PROGRAM = ["python", "-m", "bot"]
PACKAGES = ("bot", "storage")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order: the word and what follows."""
    bare = re.sub(r"^#.*\n", "", text("Dockerfile"), flags=re.MULTILINE)
    lines = re.sub(r" *\\\n *", " ", bare).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def all_of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def environment() -> dict[str, str]:
    [pairs] = all_of("ENV")
    return dict(pair.split("=", 1) for pair in pairs.split())


def copied() -> list[str]:
    """What is copied from the repository."""
    return [rest.split()[0] for rest in all_of("COPY") if not rest.startswith("--from")]


def test_both_stages_use_the_same_slim_python_image():
    assert all_of("FROM") == ["python:3.13-slim AS build", "python:3.13-slim"]


def test_it_has_no_here_documents_since_older_builders_lack_them():
    assert "<<" not in text("Dockerfile")


def test_packages_are_installed_from_the_lock_with_hashes_and_as_wheels():
    installs = [step for step in all_of("RUN") if re.search(r"\binstall\b.* -r ", step)]

    assert len(installs) == 1
    assert "--require-hashes --only-binary :all: -r requirements.lock" in installs[0]
    assert not any("apt" in step for step in all_of("RUN"))


def test_bytecode_is_compiled_in_the_image_and_not_by_every_health_probe():
    steps = [rest for _, rest in last_stage()]
    compiling = steps.index(f"/venv/bin/python -m compileall -q {' '.join(PACKAGES)}")

    assert all(steps.index(f"{package} {package}") < compiling for package in PACKAGES)


def test_the_last_stage_downloads_nothing():
    assert not any("pip" in rest for word, rest in last_stage() if word == "RUN")


def test_it_runs_as_a_user_with_a_fixed_id():
    words = [word for word, _ in last_stage()]

    assert [rest for word, rest in last_stage() if word == "USER"] == ["10001:10001"]
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_python_is_process_1_and_gets_the_stop_signal_it_handles():
    assert [json.loads(rest) for rest in all_of("ENTRYPOINT")] == [PROGRAM]
    assert all_of("CMD") == []
    assert all_of("STOPSIGNAL") == ["SIGTERM"]


def test_the_program_probes_itself():
    [probe] = all_of("HEALTHCHECK")

    assert json.loads(probe.partition("CMD ")[2]) == [*PROGRAM, "health"]


def test_the_state_is_in_a_volume_that_the_user_owns():
    [folder] = json.loads(all_of("VOLUME")[0])
    make_user, *_ = [rest for word, rest in last_stage() if word == "RUN"]

    assert folder == "/data"
    assert re.search(rf"install -d -o 10001 -g 10001 .*{folder}$", make_user)


def test_its_environment_sets_only_settings_that_the_program_reads():
    known = {"TELEGRAM_BOT_TOKEN": "1234567:made-up-for-a-test"}

    settings = load_settings(known | environment())

    assert str(settings.database_url) == "sqlite:////data/reelwatch.db"
    assert str(settings.downloads_folder.parent) == "/data"
    assert settings.health_port == 8080


def test_python_writes_no_bytecode_and_does_not_buffer_output():
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment()["PYTHONUNBUFFERED"] == "1"


def test_what_it_copies_exists():
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_build_context_contains_nothing_else():
    patterns = [line for line in text(".dockerignore").splitlines() if not line.startswith("#")]

    assert patterns[0] == "*"
    assert sorted(line[1:] for line in patterns if line.startswith("!")) == sorted(copied())


@pytest.mark.parametrize(
    "line", ["env_file: .env", "restart: unless-stopped", "- data:/data", "stop_grace_period: 15s"]
)
def test_compose_runs_it_with_dotenv_settings_and_a_volume(line: str):
    assert line in text("compose.yaml")


def test_compose_names_the_project_so_that_the_volume_does_not_depend_on_the_folder():
    assert text("compose.yaml").startswith("name: reelwatch ")


def test_compose_publishes_no_port():
    assert "ports" not in text("compose.yaml")

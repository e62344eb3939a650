"""The image is built from what is locked, runs as nobody and keeps its state in one place."""

import json
import re
import subprocess
import tomllib

from bot.config import load_settings
from tests.programs import needs
from tests.repo.tree import ROOT, text

PROGRAM = ["reelwatch"]
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


def labels() -> dict[str, str]:
    [pairs] = all_of("LABEL")
    return dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', pairs))


def copied() -> list[str]:
    """What is copied from the repository."""
    return [rest.split()[0] for rest in all_of("COPY") if not rest.startswith("--from")]


def test_both_stages_use_the_same_python_image_of_which_a_mirror_can_be_named():
    assert instructions()[0] == ("ARG", "BASE_IMAGE=python:3.13-slim")
    assert all_of("FROM") == ["${BASE_IMAGE} AS build", "${BASE_IMAGE}"]


def test_a_mirror_of_packages_is_no_part_of_the_image():
    assert {"PIP_INDEX_URL", "PIP_TRUSTED_HOST"} < {*all_of("ARG")}
    assert {rest for word, rest in last_stage() if word == "ARG"} == {
        *("VERSION", "REVISION", "CREATED", "SOURCE")
    }


def test_it_carries_the_labels_that_registries_and_updaters_show():
    project = tomllib.loads(text("pyproject.toml"))["project"]

    assert labels() == {
        "title": "Reelwatch",
        "description": project["description"],
        "licenses": project["license"],
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "created": "${CREATED}",
        "source": "${SOURCE}",
    }


def test_it_has_no_here_documents_since_older_builders_lack_them():
    assert "<<" not in text("Dockerfile")


def test_packages_are_installed_from_the_lock_with_hashes_and_as_wheels():
    installs = [step for step in all_of("RUN") if re.search(r"\binstall\b.* -r ", step)]

    assert len(installs) == 1
    assert "--require-hashes --only-binary :all: -r /build/requirements.lock" in installs[0]
    assert not any("apt" in step for step in all_of("RUN"))


def test_bytecode_is_compiled_once_and_the_same_from_the_same_sources():
    steps = [rest for _, rest in instructions()]
    compiling = steps.index("/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app")

    assert all(steps.index(f"{package} /app/{package}") < compiling for package in PACKAGES)
    assert all("--invalidation-mode unchecked-hash" in step for step in steps if "compileall" in step)
    assert "--no-compile" in next(step for step in steps if "requirements.lock" in step and "pip" in step)


def test_packages_are_installed_before_the_code_is_copied_so_that_a_change_of_it_does_not_repeat_that():
    steps = [rest for _, rest in instructions()]

    assert steps.index("requirements.lock /build/") < steps.index("bot /app/bot")
    assert steps.index("--from=build /venv /venv") < steps.index("--from=build /app /app")


def test_the_program_is_on_the_path_and_can_be_imported_from_any_folder():
    entry = tomllib.loads(text("pyproject.toml"))["project"]["scripts"]["reelwatch"]
    module, _, function = entry.partition(":")
    script = rf"'#!/venv/bin/python\nfrom {module} import {function}\n\n{function}()\n' > /venv/bin/reelwatch"

    assert any(script in step and "chmod 0755 /venv/bin/reelwatch" in step for step in all_of("RUN"))
    assert environment()["PATH"] == "/venv/bin:$PATH"
    assert environment()["PYTHONPATH"] == "/app"


@needs("hadolint")
def test_hadolint_finds_nothing():
    subprocess.run(["hadolint", ROOT / "Dockerfile"], check=True)


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
    assert re.search(rf"install -d -o 10001 -g 10001 -m 0700 {folder} /videos$", make_user)


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

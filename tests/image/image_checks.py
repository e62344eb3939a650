"""What the image promises; each check needs those above it. `make image` runs them, `make test` does not."""

import contextlib
import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.image.building import BASE, BOUNDS, IMAGE, LABELS, build_image, indexes, run
from tests.repo.tree import ROOT

PREFIX = "reelwatch-checks"
SERVERS, BOT = f"{PREFIX}-servers", f"{PREFIX}-bot"
VOLUME, VIDEOS = f"{PREFIX}-data", f"{PREFIX}-videos"
STOP_S = 10.0  # that the bot takes at most
PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The container with the fake Telegram and gateway."""

    settings: dict[str, str]
    lines_in: IO[str]
    lines_out: IO[str]

    def do(self, line: str) -> str:
        """Send a line and return the answer."""
        self.lines_in.write(f"{line}\n")
        self.lines_in.flush()
        return self.lines_out.readline().strip()


def exec_in_bot(*command: str) -> str:
    """Run a program in the bot's container, as `docker compose exec` does."""
    return run("podman", "exec", BOT, *command)


def wait_until_healthy() -> None:
    """Wait until the bot answers its own probe."""
    deadline = time.monotonic() + 30
    while subprocess.run(
        ["podman", "exec", BOT, "reelwatch", "health"], capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, run("podman", "logs", BOT)
        time.sleep(0.2)


@pytest.fixture(scope="module")
def image() -> Iterator[dict[str, Any]]:
    """What podman says of the image that is built."""
    run("podman", "rm", "--force", "--ignore", BOT, SERVERS)
    run("podman", "volume", "rm", "--force", VOLUME, VIDEOS)
    begun = time.monotonic()
    build_image()
    built_s = time.monotonic() - begun
    [found], [base] = (json.loads(run("podman", "image", "inspect", name)) for name in (IMAGE, BASE))
    above_mb = (found["Size"] - base["Size"]) / 1e6
    print(f"built in {built_s:.0f} s, {above_mb:.0f} MB above the base image")
    yield found
    run("podman", "rmi", "--force", IMAGE)


@pytest.fixture(scope="module")
def no_shell(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An option that puts an empty file in the shell's place."""
    empty = tmp_path_factory.mktemp("shell") / "empty"
    empty.touch()
    return f"--volume={empty}:/usr/bin/dash:ro"


@pytest.fixture(scope="module")
def servers(image: dict[str, Any]) -> Iterator[Servers]:
    """A fake Telegram and gateway in a container without network, whose loopback the bot shares."""
    script = ROOT / "tests/image/servers.py"
    command = ["podman", "run", "--rm", "-i", f"--name={SERVERS}", "--network=none", *BOUNDS]
    command += [f"--volume={script}:/servers.py:ro", "--entrypoint=python", IMAGE, "/servers.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        settings = json.loads(process.stdout.readline())
        yield Servers(settings=settings, lines_in=process.stdin, lines_out=process.stdout)
        process.stdin.close()
        process.wait(30)


@pytest.fixture(scope="module")
def bot(servers: Servers, no_shell: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The bot in a container as compose.yaml makes it, its token in a file."""
    token = tmp_path_factory.mktemp("secrets") / "token"
    settings = dict(servers.settings)
    token.write_text(settings.pop("TELEGRAM_BOT_TOKEN"))
    run(
        *("podman", "run", "--detach", f"--name={BOT}", f"--network=container:{SERVERS}", *BOUNDS, no_shell),
        *(f"--volume={VOLUME}:/data", f"--volume={token}:/run/secrets/token:ro"),
        f"--volume={VIDEOS}:/videos",
        *("--env=TELEGRAM_BOT_TOKEN_FILE=/run/secrets/token", "--env=DATA_DIR=/videos"),
        *(f"--env={name}={value}" for name, value in settings.items()),
        IMAGE,
    )
    wait_until_healthy()
    yield
    print(run("podman", "logs", BOT))
    run("podman", "rm", "--force", BOT)
    run("podman", "volume", "rm", VOLUME, VIDEOS)


def test_the_image_carries_its_labels_and_runs_as_nobody(image: dict[str, Any]):
    config = image["Config"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}

    assert {name: labels[name.lower()] for name in LABELS} == LABELS
    assert labels["title"] == "Reelwatch"
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["reelwatch"]
    assert list(config["Volumes"]) == ["/data"]
    assert config["StopSignal"] == "SIGTERM"
    assert image["Healthcheck"]["Test"] == ["CMD", "reelwatch", "health"]


def test_no_package_index_is_recorded_in_the_image(image: dict[str, Any]):
    recorded = json.dumps(image)

    assert [index for index in indexes() if index in recorded] == []
    assert not re.search("PIP_INDEX_URL|PIP_TRUSTED_HOST", recorded)


def test_the_demo_brings_every_video_without_network_rights_or_shell(image: dict[str, Any], no_shell: str):
    out = run("podman", "run", "--rm", "--network=none", *BOUNDS, no_shell, IMAGE, "demo", "--once")

    assert "videos arrived exactly once" in out


def test_the_page_of_the_demo_stays_until_the_container_is_stopped(image: dict[str, Any], no_shell: str):
    """As `docker run` without -i starts it: nothing can be typed."""
    options = ["--network=none", *BOUNDS, no_shell]
    run("podman", "run", "--detach", f"--name={BOT}", *options, IMAGE, "demo", "--host", "0.0.0.0")
    deadline = time.monotonic() + 90
    while "Go on in the browser" not in (printed := run("podman", "logs", BOT)):
        assert time.monotonic() < deadline, printed
        time.sleep(0.5)
    run("podman", "healthcheck", "run", BOT)
    page = exec_in_bot(
        "python",
        "-c",
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8090').read().decode())",
    )
    run("podman", "stop", "--time=60", BOT)
    status = run("podman", "inspect", "--format={{.State.ExitCode}}", BOT).strip()
    run("podman", "rm", "--force", BOT)

    assert "Open http://127.0.0.1:8090 in a browser" in printed
    assert "Reelwatch" in page
    assert status == "0"


def test_check_and_health_pass_in_the_running_container(bot: None):
    table = exec_in_bot("reelwatch", "check")
    assert "set (from file)" in table
    assert re.search(r"^videos +ok +waiting ones are kept in /videos/", table, re.MULTILINE)
    assert exec_in_bot("reelwatch", "health")
    assert exec_in_bot("python", "-m", "bot", "health")
    run("podman", "healthcheck", "run", BOT)


def test_the_program_runs_from_any_folder_as_its_user_and_owns_its_data(bot: None):
    assert run("podman", "exec", "--workdir=/tmp", BOT, "reelwatch", "--version")
    script = "import os; s = os.stat('/data'); print(os.getuid(), s.st_uid, oct(s.st_mode & 0o777))"
    assert exec_in_bot("python", "-c", script).split() == ["10001", "10001", "0o700"]


def test_a_task_watched_before_a_stop_brings_its_video_once_after_the_next_start(bot: None, servers: Servers):
    assert servers.do("watch") == "watch 0"
    begun = time.monotonic()
    run("podman", "stop", "--time=60", BOT)
    took_s = time.monotonic() - begun
    status = run("podman", "inspect", "--format={{.State.ExitCode}}", BOT).strip()
    assert servers.do("finish") == "finish 0"
    run("podman", "start", BOT)

    assert (status, took_s < STOP_S) == ("0", True), took_s
    assert servers.do("video") == "video 1"
    wait_until_healthy()
    print(f"stopped in {took_s:.1f} s")


def test_a_backup_goes_through_a_pipe_to_the_host(bot: None, tmp_path: Path):
    copy = tmp_path / "copy.db"
    with copy.open("wb") as file:
        subprocess.run(["podman", "exec", BOT, "reelwatch", "backup", "-"], stdout=file, check=True)

    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM tasks").fetchone() == (1,)


def test_the_bot_stays_far_below_its_bounds(bot: None):
    script = f"import os; print(next(open(path).read() for path in {PEAKS} if os.path.exists(path)))"
    megabytes = int(exec_in_bot("python", "-c", script)) / 1e6

    print(f"memory at most {megabytes:.0f} MB")
    assert megabytes < 500

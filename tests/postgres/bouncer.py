"""A pgbouncer in transaction mode for the tests; those that need it are skipped without one."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres.server import Server, account_for
from tests.programs import find, needs

PGBOUNCER = find("pgbouncer")
needs_pgbouncer = needs("pgbouncer")

_PORT = 6432  # a part of the socket's name
_START_S = 10.0
_CONFIGURATION = """
[databases]
* = host={folder} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
logfile = {folder}/pgbouncer.log
"""
# Standard input ends when the tests end, even if they are killed.
_SHELL = '"$1" -q "$2" & read -r _; kill $!; wait $!'


@contextmanager
def run_pgbouncer(server: Server, *, sessions: int) -> Iterator[str]:
    """Yield the URL of the server's database through pgbouncer; sessions: of the server, for all clients."""
    configuration = server.folder / "pgbouncer.ini"
    configuration.write_text(_CONFIGURATION.format(folder=server.folder, port=_PORT, sessions=sessions))
    socket = server.folder / f".s.PGSQL.{_PORT}"
    with subprocess.Popen(
        ["/bin/sh", "-c", _SHELL, "sh", str(PGBOUNCER), str(configuration)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=server.folder,
        start_new_session=True,
        **account_for(os.geteuid()),
    ):
        deadline = time.monotonic() + _START_S
        while not socket.exists():
            assert time.monotonic() < deadline, (server.folder / "pgbouncer.log").read_text()
            time.sleep(0.02)
        yield f"{server.url}&port={_PORT}&pgbouncer=true"

"""A pgbouncer in transaction mode for the tests; those that need it are skipped without one."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.sandbox.ports import free_port
from tests.fakes.tls import CERTIFICATE
from tests.postgres.server import Server, account_for
from tests.programs import find, needs

PGBOUNCER = find("pgbouncer")
needs_pgbouncer = needs("pgbouncer")

_START_S = 10.0
_CONFIGURATION = """
[databases]
* = host={folder} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_addr = 127.0.0.1,127.0.0.2
listen_port = {port}
client_tls_sslmode = allow
client_tls_cert_file = {folder}/certificate.pem
client_tls_key_file = {folder}/certificate.pem
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
logfile = {folder}/pgbouncer.log
"""
# Standard input ends when the tests end, even if they are killed.
_SHELL = '"$1" -q "$2" & read -r _; kill $!; wait $!'


@contextmanager
def run_pgbouncer(server: Server, *, sessions: int) -> Iterator[str]:
    """Yield the URL of the server's database through pgbouncer, which offers TLS on loopback, too.

    sessions: of the server, for all clients.
    """
    configuration, port = server.folder / "pgbouncer.ini", free_port()
    configuration.write_text(_CONFIGURATION.format(folder=server.folder, port=port, sessions=sessions))
    certificate = server.folder / "certificate.pem"
    certificate.write_bytes(CERTIFICATE.read_bytes())
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
        while not _listens(server.folder / f".s.PGSQL.{port}"):
            assert time.monotonic() < deadline, (server.folder / "pgbouncer.log").read_text()
            time.sleep(0.02)
        yield f"{server.url}&port={port}&pgbouncer=true"


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0

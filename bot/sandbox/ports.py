"""Ports on loopback that stay free until they are used.

Systems take the ports of outgoing connections from 32768 upwards. A port from there that was free a moment
ago, or that a server has left for a while, may belong to a connection when it is wanted.
"""

import itertools
import secrets
import socket

_FIRST, _COUNT = 20_000, 12_000
_numbers = itertools.count(secrets.randbelow(_COUNT))  # each process begins elsewhere, and takes none twice


def free_port() -> int:
    """A port on 127.0.0.1 on which nobody listens, and which this function returns to nobody else."""
    for number in itertools.islice(_numbers, _COUNT):
        port = _FIRST + number % _COUNT
        if is_free(port):
            return port
    raise OSError("No port of loopback is free.")


def is_free(port: int) -> bool:
    """Whether this process could listen on the port of 127.0.0.1."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True

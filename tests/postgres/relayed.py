"""The addresses of a database behind a relay."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from storage.postgres_url import PostgresUrl
from tests.fakes.relay import Target

_PORT = 5432


def server_of(url: str) -> Target:
    """The socket or address of the database's server."""
    parts = urlsplit(url)
    folder = dict(parse_qsl(parts.query)).get("host", "")
    if folder.startswith("/"):
        return Path(folder) / f".s.PGSQL.{parts.port or _PORT}"
    return parts.hostname or folder, parts.port or _PORT


def through(port: int, url: str) -> PostgresUrl:
    """The same database through that port of loopback."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0] or "postgres"
    query = [each for each in parse_qsl(parts.query) if each[0] not in ("host", "sslmode")]
    relayed = parts._replace(
        netloc=f"{user}@127.0.0.1:{port}", query=urlencode([*query, ("sslmode", "disable")])
    )
    return PostgresUrl.of(urlunsplit(relayed))

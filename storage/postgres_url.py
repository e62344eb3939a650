"""What a postgresql:// URL says: where the database is, and what of the URL may be shown. No I/O."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

_SCHEMES = {"postgresql", "postgres"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """A database on a PostgreSQL server; its text is shown, so it is without user and password."""

    dsn: str = field(repr=False)  # for the driver
    secrets: tuple[str, ...] = field(repr=False)  # the password, as it is and as URLs have it
    shown: str
    is_pooled: bool  # behind pgbouncer in transaction mode, where nothing may last longer than a transaction

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL; `pgbouncer=true` is ours, the other parameters are the driver's.

        Raises ValueError with a sentence's end that shows nothing of the URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("is not the URL of a PostgreSQL database")
        if parts.fragment or "@" in parts.path:  # the rest of a password
            raise ValueError("has a password with a character that must be written as %XX, such as / or #")
        try:
            is_complete = bool(parts.path.strip("/")) and (parts.port is None or parts.port > 0)
        except ValueError:
            is_complete = False
        if not is_complete:
            raise ValueError("is not of the form postgresql://user:password@host:port/name")
        query = parse_qsl(parts.query, keep_blank_values=True)
        written = parts.password or ""
        password = unquote(written)
        return cls(
            dsn=urlunsplit(
                parts._replace(query=urlencode([each for each in query if each[0] != "pgbouncer"]))
            ),
            secrets=tuple({password, written, quote(password, safe="")} - {""}),
            shown=f"postgresql://{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}",
            is_pooled=("pgbouncer", "true") in query,
        )

    def __str__(self) -> str:
        return self.shown

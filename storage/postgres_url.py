"""What a postgresql:// URL says: where the database is, and what of the URL may be shown. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

_SCHEMES = {"postgresql", "postgres"}
_FORM = "is not of the form postgresql://user:password@host:port/name"
_UNQUOTED = "has a password with a character that must be written as %XX, such as / or #"
_HOST = re.compile(r"([^\s:\[\]]+|\[[0-9A-Fa-f:.]+\])(:0*[1-9][0-9]{0,4})?")
_POOLED = {"true": True, "false": False}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PASSWORDS = ("password", "sslpassword")  # parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """A database on a PostgreSQL server; its text is shown, so it is without user and password."""

    dsn: str = field(repr=False)  # for the driver
    secrets: tuple[str, ...] = field(repr=False)  # the passwords, as they are and as URLs have them
    shown: str  # host, name and schema
    is_pooled: bool  # behind pgbouncer in transaction mode, where nothing may last longer than a transaction

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL; `pgbouncer=true` is ours, the other parameters are the driver's or the server's.

        Raises ValueError with a sentence's end that shows nothing of the URL.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # its text may hold the password
            raise ValueError(_UNQUOTED) from None
        if parts.scheme not in _SCHEMES:
            raise ValueError("is not the URL of a PostgreSQL database")
        if parts.fragment or "@" in parts.path or "@" in parts.query:  # the rest of a password
            raise ValueError(_UNQUOTED)
        _, _, hosts = parts.netloc.rpartition("@")
        if not parts.path.strip("/") or not all(map(_HOST.fullmatch, hosts.split(",") if hosts else ())):
            raise ValueError(_FORM)
        parameters = _parameters(parts.query)
        is_pooled = _POOLED[parameters.pop("pgbouncer", "false").lower()]
        if "," in hosts:
            # Of several servers, one that takes writes.
            parameters.setdefault("target_session_attrs", "read-write")
        return cls(
            dsn=urlunsplit(parts._replace(query=urlencode(parameters))),
            secrets=_secrets(parts, parameters),
            shown=_shown(hosts, parts.path, parameters),
            is_pooled=is_pooled,
        )

    def __str__(self) -> str:
        return self.shown


def _parameters(query: str) -> dict[str, str]:
    """The parameters after ?; raises ValueError for those that can't be used."""
    try:
        found = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise ValueError("has something else than name=value after the ?") from None
    if found.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"has an sslmode that is not one of {', '.join(_SSL_MODES)}")
    if found.get("pgbouncer", "false").lower() not in _POOLED:
        raise ValueError("has a pgbouncer that is neither true nor false")
    if "search_path" in found and not found["search_path"].strip():
        raise ValueError("has an empty search_path")
    if "search_path" in found and _POOLED[found.get("pgbouncer", "false").lower()]:
        raise ValueError(
            "has a search_path, which pgbouncer does not hand on; give it to the role instead:"
            " ALTER ROLE … SET search_path = …"
        )
    return found


def _secrets(parts: SplitResult, parameters: Mapping[str, str]) -> tuple[str, ...]:
    written = parts.password or ""
    passwords = {unquote(written), *(parameters.get(name, "") for name in _PASSWORDS)}
    return tuple(({written} | passwords | {quote(each, safe="") for each in passwords}) - {""})


def _shown(hosts: str, path: str, parameters: Mapping[str, str]) -> str:
    """The URL without user, password and parameters; what they say of the place comes after it."""
    notes = [
        f"{word} {parameters[name]}"
        for name, word in (("host", "at"), ("search_path", "schema"))
        if name in parameters
    ]
    return f"postgresql://{hosts}{path}" + (f" ({', '.join(notes)})" if notes else "")

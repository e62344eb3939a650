"""A proxy as TELEGRAM_PROXY, PROVIDER_PROXY and DOWNLOAD_PROXY name it."""

import base64
import re
from dataclasses import dataclass, field
from typing import final
from urllib.parse import quote, unquote_to_bytes, urlsplit

SOCKS5, SOCKS5H = "socks5", "socks5h"
_SCHEMES = ("http", "https", SOCKS5, SOCKS5H)
_NOT_IN_URL = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f\x7f]")
_LONGEST = 255  # bytes of a user name or password: RFC 1929
_ENCODED = "in a user name or password @ : / ? # % are written as %40 %3A %2F %3F %23 %25"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy; as text it is without its user name and password."""

    scheme: str  # one of _SCHEMES
    host: str  # without the brackets of an IPv6 address
    port: int
    user: str | None = field(default=None, repr=False)  # decoded; None: no login
    password: str = field(default="", repr=False)  # decoded

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS 5; the others speak HTTP."""
        return self.scheme in {SOCKS5, SOCKS5H}

    @property
    def resolves_names(self) -> bool:
        """Whether the proxy resolves the names of hosts; with socks5:// they are resolved here."""
        return self.scheme != SOCKS5

    @property
    def address(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def basic_auth(self) -> str | None:
        """The value of the Proxy-Authorization header."""
        if self.user is None:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> frozenset[str]:
        """What must never be shown."""
        if not self.password:
            return frozenset()
        encoded = (self.basic_auth or "").removeprefix("Basic ")
        return frozenset({self.password, quote(self.password, safe=""), encoded})

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"


def read_proxy(text: str) -> Proxy:
    """Read a setting; the message of its ValueError continues a sentence and does not show the text."""
    if _NOT_IN_URL.search(text):
        raise ValueError(f"contains a space or another character that no address has; {_ENCODED}")
    scheme, separator, _ = text.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ValueError(
            "begins with no scheme: write http:// or socks5h:// before it, as http://127.0.0.1:7890"
        )
    if scheme.startswith("socks") and scheme not in _SCHEMES:
        raise ValueError("is a SOCKS proxy of another kind: only socks5:// and socks5h:// can be used")
    if scheme not in _SCHEMES:
        raise ValueError("does not begin with http://, https://, socks5:// or socks5h://")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as getaddrinfo() does; its UnicodeError is a ValueError
    except ValueError:
        raise ValueError(f"is not an address such as {scheme}://127.0.0.1:7890; {_ENCODED}") from None
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"is not an address such as {scheme}://127.0.0.1:7890; {_ENCODED}")
    if not port:
        raise ValueError(f"has no port, as in {scheme}://127.0.0.1:7890")
    user, password = _decoded(parts.username), _decoded(parts.password)
    return Proxy(scheme=scheme, host=host, port=port, user=user, password=password or "")


def _decoded(text: str | None) -> str | None:
    if text is None:
        return None
    if len(data := unquote_to_bytes(text)) > _LONGEST:
        raise ValueError(f"has a user name or password of more than {_LONGEST} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("has a user name or password that is not UTF-8") from None

"""An API key and its gateway's base URL: builds URLs and headers, and keeps the key to its own origin."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

from bot.providers.parsing.links import is_loopback, origin

CONTENT_PATH = "/v1/videos/{id}/content"  # where gateways serve videos themselves
# Version segments and slashes at the end of a base URL; the formats' paths begin with a version of their own.
_TAIL = re.compile(r"(?:/+(?:v1|v1beta)?)+$")


@dataclass(frozen=True, kw_only=True)
class Account:
    """One configured gateway."""

    name: str  # what users type
    base_url: str  # as configured; a trailing slash, /v1 or /v1beta is removed
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        """Host and port, for display."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @cached_property
    def has_valid_key(self) -> bool:
        """Whether the key can be sent in a header."""
        return self.key.isascii() and self.key.isprintable()

    @property
    def key_header(self) -> dict[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {self.key}"}

    def url(self, path: str, external_id: str) -> str:
        """The URL of a path, with `{id}` replaced by the percent-encoded id."""
        return self._root + path.replace("{id}", quote(external_id, safe=""))

    def rebase_link(self, link: str) -> str:
        """Replace a loopback origin in a link by the base URL, unless that is loopback, too.

        new-api creates such links until its address is configured: relay/channel/task/taskcommon/helpers.go
        """
        found, own = origin(link), origin(self.base_url)
        if found is None or own is None or not is_loopback(found[1]) or is_loopback(own[1]):
            return link
        return self._root + urlsplit(link)._replace(scheme="", netloc="").geturl()

    def content_url(self, link: str, external_id: str) -> str:
        """Rebase a link to the task's content path on the gateway's base URL, whatever its origin."""
        parts = urlsplit(link)
        if not unquote(parts.path).endswith(CONTENT_PATH.replace("{id}", external_id)):
            return link
        return self.url(CONTENT_PATH, external_id) + (f"?{parts.query}" if parts.query else "")

    @cached_property
    def _root(self) -> str:
        return _TAIL.sub("", self.base_url)

    def is_own_origin(self, link: str) -> bool:
        """Whether the link has the gateway's origin: scheme, host and port."""
        return (target := origin(link)) is not None and target == origin(self.base_url)

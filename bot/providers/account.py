"""A key at a gateway's base URL: what to ask, with which headers, and whom never to tell the key."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

from bot.providers.parsing.links import is_loopback, origin

CONTENT_PATH = "/v1/videos/{id}/content"  # where gateways hand out videos themselves
_TAIL = re.compile(r"(?:/+(?:v1|v1beta)?)+$")


@dataclass(frozen=True, kw_only=True)
class Account:
    """One configured gateway."""

    name: str  # what people type
    base_url: str  # as pasted: a trailing slash, /v1 or /v1beta is forgiven
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @cached_property
    def has_valid_key(self) -> bool:
        """Whether a header can carry the key."""
        return self.key.isascii() and self.key.isprintable()

    @property
    def key_header(self) -> dict[str, str]:
        """The header that shows the key."""
        return {"Authorization": f"Bearer {self.key}"}

    def url(self, path: str, external_id: str) -> str:
        """Where a path hangs; its `{id}` becomes the id as one percent-encoded segment."""
        return self._root + path.replace("{id}", quote(external_id, safe=""))

    def rebase_link(self, link: str) -> str:
        """A link to the gateway's own localhost, in the words of those who are not on that machine.

        new-api makes such links until it is told its address: its relay/channel/task/taskcommon/helpers.go
        """
        there, home = origin(link), origin(self.base_url)
        if there is None or home is None or not is_loopback(there[1]) or is_loopback(home[1]):
            return link
        return self._root + urlsplit(link)._replace(scheme="", netloc="").geturl()

    def content_url(self, link: str, external_id: str) -> str:
        """A link to a task's own content under whatever host and scheme, at the gateway's base URL."""
        parts = urlsplit(link)
        if not unquote(parts.path).endswith(CONTENT_PATH.replace("{id}", external_id)):
            return link
        return self.url(CONTENT_PATH, external_id) + (f"?{parts.query}" if parts.query else "")

    @cached_property
    def _root(self) -> str:
        return _TAIL.sub("", self.base_url)

    def is_own_origin(self, link: str) -> bool:
        """Whether the link points at the gateway itself: same scheme, host and port."""
        return (target := origin(link)) is not None and target == origin(self.base_url)

"""The supported wire formats, their aliases, and the configuration of a provider."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.providers.account import Account
from bot.providers.formats.alibailian import Alibailian
from bot.providers.formats.base import WireFormat
from bot.providers.formats.jimeng import Jimeng
from bot.providers.formats.newapi import NewApi
from bot.providers.formats.videos import Videos
from bot.providers.parsing.find_ids import IdFormat

# The aliases of each wire format's kind.
_ALIASES: Mapping[type[WireFormat], tuple[str, ...]] = {
    Alibailian: ("bailian", "wan", "dashscope"),
    NewApi: ("generations",),
    Jimeng: ("seedance", "ark"),
    Videos: ("sora", "veo", "openai"),
}
FORMATS: Mapping[str, type[WireFormat]] = {wire.kind: wire for wire in _ALIASES}
# new-api serves both from one row; the first is at times older than the second.
SISTERS: Mapping[str, type[WireFormat]] = {Videos.kind: NewApi}
KINDS: Mapping[str, tuple[str, ...]] = {wire.kind: aliases for wire, aliases in _ALIASES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A configured provider."""

    name: str  # what users type, lower-case
    kind: str  # a key of KINDS
    base_url: str
    api_key: str = field(repr=False)
    path: str = ""  # of a task's status, with {id} for the id; empty: the kind's
    max_rps: float | None = None  # requests per second that the key allows; None: what the kind publishes

    @property
    def account(self) -> Account:
        """The API key and its base URL."""
        return Account(name=self.name, base_url=self.base_url, key=self.api_key)

    @property
    def host(self) -> str:
        """The gateway's host and port, for display; never credentials."""
        return self.account.host


def id_formats(providers: Iterable[ProviderConfig] = ()) -> tuple[IdFormat, ...]:
    """What ids and addresses of tasks look like, by format; also at the providers' own paths.

    A path in which the id is only a part of a segment is not recognized.
    """
    own = [(each.kind, each.path) for each in providers if re.search(r"/\{id\}(/|$)", each.path)]
    return tuple(
        IdFormat(
            kind=wire.kind,
            shape=re.compile(wire.id_shape),
            path=_address(
                [path for kind, path in own if kind == wire.kind] + [wire.path, *wire.vendor_paths]
            ),
            body_marks=wire.body_marks,
            has_request_ids=wire.has_request_ids,
        )
        for wire in FORMATS.values()
    )


def _address(paths: Iterable[str]) -> re.Pattern[str]:
    """Matches the paths up to the id, group 1."""
    return re.compile(f"(?:{'|'.join(re.escape(path.partition('{id}')[0]) for path in paths)})([^/?#]+)")


def kind_of(word: str) -> str | None:
    """The kind with this name or alias, in any case."""
    word = word.casefold()
    return next((kind for kind, aliases in KINDS.items() if word in (kind, *aliases)), None)

"""The wire formats that the bot speaks, what people type for them, and a provider as the settings name it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.providers.account import Account
from bot.providers.formats.alibailian import Alibailian
from bot.providers.formats.base import WireFormat
from bot.providers.formats.jimeng import Jimeng
from bot.providers.formats.newapi import NewApi
from bot.providers.formats.videos import Videos

# One line per wire format: what people may type besides its kind.
_ALIASES: Mapping[type[WireFormat], tuple[str, ...]] = {
    Alibailian: ("bailian", "wan", "dashscope"),
    NewApi: ("generations",),
    Jimeng: ("seedance", "ark"),
    Videos: ("sora", "veo", "openai"),
}
FORMATS: Mapping[str, type[WireFormat]] = {wire.kind: wire for wire in _ALIASES}
# new-api serves both from one row; the first is at times left behind where the second has gone on.
SISTERS: Mapping[str, type[WireFormat]] = {Videos.kind: NewApi}
KINDS: Mapping[str, tuple[str, ...]] = {wire.kind: aliases for wire, aliases in _ALIASES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider as the settings name it."""

    name: str  # what people type, lower-case
    kind: str  # a key of KINDS
    base_url: str
    api_key: str = field(repr=False)

    @property
    def account(self) -> Account:
        """The key at its gateway."""
        return Account(name=self.name, base_url=self.base_url, key=self.api_key)

    @property
    def host(self) -> str:
        """The gateway's host and port, for people; never credentials."""
        return self.account.host


def kind_of(word: str) -> str | None:
    """The kind that a word of any case names, itself or by an alias."""
    word = word.casefold()
    return next((kind for kind, aliases in KINDS.items() if word in (kind, *aliases)), None)

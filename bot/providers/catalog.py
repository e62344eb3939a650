"""The configured providers, and which of them a person means."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from bot.providers.account import Account
from bot.providers.alibailian import Alibailian
from bot.providers.base import Provider
from bot.providers.gateway import Gateway
from bot.providers.jimeng import Jimeng
from bot.providers.newapi import NewApi
from bot.providers.videos import Videos
from bot.providers.wire import Wire

# One line per wire format: what people may type besides its kind.
_WIRES: Mapping[type[Wire], tuple[str, ...]] = {
    Alibailian: ("bailian", "wan", "dashscope"),
    NewApi: ("generations",),
    Jimeng: ("seedance", "ark"),
    Videos: ("sora", "veo", "openai"),
}
_BY_KIND: Mapping[str, type[Wire]] = {wire.kind: wire for wire in _WIRES}
KINDS: Mapping[str, tuple[str, ...]] = {wire.kind: aliases for wire, aliases in _WIRES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider as the settings name it."""

    name: str  # what people type, lower-case
    kind: str  # a key of KINDS
    base_url: str
    api_key: str = field(repr=False)


class CatalogError(Exception):
    """A word names no provider."""


class UnknownWord(CatalogError):
    """Neither a configured name nor a kind or alias."""


class NotConfigured(CatalogError):
    """A kind that no configured provider speaks."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class SeveralFit(CatalogError):
    """A kind that several configured providers speak."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class Catalog:
    """The configured providers in their order."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    @property
    def names(self) -> tuple[str, ...]:
        """What people may type for sure."""
        return tuple(self._providers)

    def get(self, name: str) -> Provider | None:
        """The provider of exactly this name."""
        return self._providers.get(name)

    def resolve(self, word: str) -> str:
        """Return the name of the provider that a typed word means; raise CatalogError if that is not clear.

        A configured name wins; a kind or an alias means the provider named like the kind, else the only
        provider of that kind.
        """
        word = word.casefold()
        if word in self._providers:
            return word
        kind = next((kind for kind, aliases in KINDS.items() if word in (kind, *aliases)), None)
        if kind is None:
            raise UnknownWord(word)
        if kind in self._providers and self._providers[kind].kind == kind:
            return kind
        fitting = tuple(provider.name for provider in self if provider.kind == kind)
        if not fitting:
            raise NotConfigured(kind)
        if len(fitting) > 1:
            raise SeveralFit(fitting)
        return fitting[0]


def build(configs: Iterable[ProviderConfig], transport: httpx.AsyncBaseTransport) -> Catalog:
    """Make the configured providers, which share one HTTP transport."""
    return Catalog(
        Gateway(
            _BY_KIND[config.kind](Account(name=config.name, base_url=config.base_url, key=config.api_key)),
            transport,
        )
        for config in configs
    )

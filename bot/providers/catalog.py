"""The configured providers, and their lookup by a typed name."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from bot.providers.parsing.find_ids import FoundId
from bot.providers.registry import FORMATS, KINDS, ProviderConfig, id_formats, kind_of

_PLAIN_WORDS = {"videos", "generations"}  # names of formats that are also plain words


class CatalogError(Exception):
    """A name does not select one provider."""


class UnknownWord(CatalogError):
    """The word is neither a configured name nor a kind or alias."""


class NotConfigured(CatalogError):
    """No configured provider is of this kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class SeveralFit(CatalogError):
    """Several configured providers are of this kind."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class Catalog:
    """The configured providers in their order."""

    def __init__(self, providers: Iterable[ProviderConfig]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self.id_formats = id_formats(self)

    def __iter__(self) -> Iterator[ProviderConfig]:
        return iter(self._providers.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The configured names."""
        return tuple(self._providers)

    @property
    def example_ids(self) -> Mapping[str, str]:
        """An id of the shape that each provider's ids have, by its name."""
        return {provider.name: FORMATS[provider.kind].example_id for provider in self}

    def resolve(self, word: str) -> str:
        """Return the name of the provider that a typed word selects; raises CatalogError if not exactly one.

        A configured name takes precedence; a kind or an alias selects the provider named like the kind, else
        the only provider of that kind.
        """
        named = self.named(word)
        if len(named) > 1:
            raise SeveralFit(named)
        return named[0]

    def named(self, word: str) -> tuple[str, ...]:
        """As resolve(), but returns the names of all providers of a kind that none is named like."""
        word = word.casefold()
        if word in self._providers:
            return (word,)
        kind = kind_of(word)
        if kind is None:
            raise UnknownWord(word)
        if kind in self._providers and self._providers[kind].kind == kind:
            return (kind,)
        fitting = tuple(provider.name for provider in self if provider.kind == kind)
        if not fitting:
            raise NotConfigured(kind)
        return fitting

    def fitting(self, found: FoundId, words: Collection[str]) -> tuple[str, ...]:
        """The names of the providers that may know an id, by what its text says.

        Its address's host, its kinds, then the providers' names and aliases among the words: each leaves the
        providers that it fits, or all if it fits none.
        """
        words = set(words) - _PLAIN_WORDS
        rules: tuple[Callable[[ProviderConfig], bool], ...] = (
            lambda each: each.host.lower() == found.host,
            lambda each: each.kind in found.kinds,
            lambda each: each.name in words,
            lambda each: each.kind in words or not words.isdisjoint(KINDS[each.kind]),
        )
        fitting = list(self)
        for rule in rules:
            fitting = [each for each in fitting if rule(each)] or fitting
        return tuple(each.name for each in fitting)

"""The settings PROVIDERS__<NAME>__…: one provider each, which the gateway's settings complete."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from bot.providers.registry import KINDS, ProviderConfig, kind_of
from bot.setting_fields import names_of, read_fields
from bot.setting_names import meant_field
from bot.setting_types import HttpUrl, Key, Kind, Rate, StatusPath, host_of

GROUP = "providers__"


def no_value(_: str) -> NoReturn:
    """Refuse PROVIDERS itself."""
    raise ValueError("has no value of its own; a provider is set by names such as PROVIDERS__STUDIO__API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One PROVIDERS__<NAME>__… group; what it leaves out is the gateway's."""

    kind: Kind = ""
    base_url: HttpUrl = ""
    api_key: Key = field(default="", repr=False)
    path: StatusPath = ""
    max_rps: Rate = None


FIELDS = [name.upper() for name in names_of(ProviderSettings)]


def read_providers(texts: Mapping[str, str]) -> tuple[dict[str, ProviderSettings], list[str]]:
    """The groups by the provider's name, and a sentence for each mistake in them."""
    own: dict[str, ProviderSettings] = {}
    mistakes: list[str] = []
    for name, group in _groups(texts).items():
        prefix = f"{GROUP}{name}".upper()
        found, wrong = read_fields(ProviderSettings, group, f"{prefix}__")
        mistakes += wrong + [f"{prefix}{what}" for what in _mistakes_of_group(name, group, texts)]
        own[name] = ProviderSettings(**{"kind": kind_of(name)} | found)
    return own, mistakes


def complete(
    own: Mapping[str, ProviderSettings], *, gateway_base_url: str, gateway_api_key: str
) -> tuple[ProviderConfig, ...]:
    """The gateway's kinds and the providers of their own, with the gateway's URL and key if left out."""
    kinds = {kind: ProviderSettings(kind=kind) for kind in KINDS} if gateway_base_url else {}
    return tuple(
        ProviderConfig(
            name=name,
            kind=group.kind,
            base_url=_without_path(group.base_url or gateway_base_url, group.path),
            api_key=group.api_key or gateway_api_key,
            path=group.path,
            max_rps=group.max_rps,
        )
        for name, group in {**kinds, **own}.items()
    )


def _groups(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The texts of each provider's group, by the provider's name."""
    groups: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        if name.startswith(GROUP):
            provider, _, what = name.removeprefix(GROUP).partition("__")
            groups.setdefault(provider, {})[what] = text
    return groups


def _without_path(base_url: str, path: str) -> str:
    """The base URL without an end that the provider's path begins with, such as Ark's /api/v3."""
    shared = urlsplit(base_url).path
    return base_url.removesuffix(shared) if shared and path.startswith(f"{shared}/") else base_url


def _mistakes_of_group(name: str, own: Mapping[str, str], texts: Mapping[str, str]) -> Iterator[str]:
    """Mistakes that concern several fields; found in the texts, so that a wrong value hides none of them."""
    for what in own:
        if what.upper() not in FIELDS:
            end = f"__{what.upper()}" if what else ""
            right = meant_field(what.upper(), FIELDS)
            hint = f"; {right} is meant" if right else ""
            yield f"{end} is not a setting; a provider has {', '.join(FIELDS)}{hint}."
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name):
        yield ": a provider's name is made of letters, digits, '.', '_' and '-'."
    if "kind" not in own and kind_of(name) is None:
        yield f"__KIND is missing: {name!r} is not one of {', '.join(KINDS)}."
    if "base_url" not in own and "gateway_base_url" not in texts:
        yield "__BASE_URL is missing, and there is no GATEWAY_BASE_URL."
    if "api_key" in own:
        return
    if "gateway_api_key" not in texts:
        yield "__API_KEY is missing, and there is no GATEWAY_API_KEY."
    elif host_of(own.get("base_url")) not in {None, host_of(texts.get("gateway_base_url"))}:
        yield "__API_KEY is missing: GATEWAY_API_KEY goes to the gateway's host only."

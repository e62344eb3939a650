"""Builds the configured gateways."""

from collections.abc import Iterable

from bot.providers.base import Provider
from bot.providers.gateway import Gateway, Transport
from bot.providers.registry import FORMATS, SISTERS, ProviderConfig
from bot.providers.unconfigured import Unconfigured


class Gateways(dict[str, Provider]):
    """The providers by name; any other name gives an Unconfigured one."""

    def __missing__(self, name: str) -> Provider:
        return Unconfigured(name)


def build(configs: Iterable[ProviderConfig], transport: Transport) -> Gateways:
    """Create the gateways, which share one transport."""
    return Gateways(
        {
            config.name: Gateway(
                FORMATS[config.kind](config.account),
                transport,
                sister=SISTERS[config.kind](config.account) if config.kind in SISTERS else None,
            )
            for config in configs
        }
    )

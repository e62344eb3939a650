"""The configured gateways, ready to be asked."""

from collections.abc import Iterable

from bot.providers.base import Provider
from bot.providers.gateway import Gateway, Transport
from bot.providers.kinds import WIRES, ProviderConfig


def build(configs: Iterable[ProviderConfig], transport: Transport) -> dict[str, Provider]:
    """By name; they share one transport."""
    return {config.name: Gateway(WIRES[config.kind](config.account), transport) for config in configs}

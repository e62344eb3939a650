"""Which providers share a key and a rate limit, as the settings say."""

import logging
from collections.abc import Iterable, Mapping, Set

from bot.config import Settings
from bot.logs import log_fields
from bot.polling.leased_tasks import KeyGroup
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.private_hosts import PrivateHosts
from bot.providers.gateway import Gateways, Transport, build_gateway
from bot.providers.parsing.links import origin
from bot.providers.registry import FORMATS, ProviderConfig
from bot.watching.cadence import SPARE_POLL_PRICE_S
from bot.watching.gateway_state import GatewayStates

log = logging.getLogger(__name__)


def reachable_hosts(settings: Settings) -> PrivateHosts:
    """The private hosts that videos may come from: those of the setting, and the gateways themselves."""
    origins = [origin(config.base_url) for config in settings.providers]
    return settings.download_allow_private.with_origins((each[1], each[2]) for each in origins if each)


def prices_s(settings: Settings) -> Mapping[str, float]:
    """The lower price of a poll, by provider, where MAX_RPS is set and so reserves a rate for the bot."""
    names = (config.name for config in settings.providers if config.max_rps is not None)
    return dict.fromkeys(names, SPARE_POLL_PRICE_S)


def key_groups(
    settings: Settings, transport: Transport, states: GatewayStates | None = None
) -> list[KeyGroup]:
    """One group for each key and host, whatever names and kinds it serves; its gateways share a limiter.

    The limit is the lowest that is set or published for any of them.
    """
    behind: dict[tuple[str, str], list[ProviderConfig]] = {}
    for config in settings.providers:
        behind.setdefault((config.host, config.api_key), []).append(config)
    groups = []
    for (host, _), configs in behind.items():
        limits_rps = [config.max_rps or FORMATS[config.kind].published_rps for config in configs]
        known_rps = [rps for rps in limits_rps if rps is not None]
        limiter = AdaptiveRateLimiter(min(known_rps, default=None))  # None: unknown, to be probed
        groups.append(
            KeyGroup(
                providers={config.name: build_gateway(config, transport, limiter) for config in configs},
                limiter=limiter,
                state=states.add([config.name for config in configs], host) if states else None,
            )
        )
    return groups


def providers_of(groups: Iterable[KeyGroup]) -> Gateways:
    """The providers of all keys."""
    return Gateways({name: provider for group in groups for name, provider in group.providers.items()})


def unconfigured_groups(providers: Gateways, awaited: Set[str]) -> list[KeyGroup]:
    """Groups for providers that tasks name and the settings do not, so that their chats are notified."""
    names = sorted(awaited - providers.keys())
    if names:
        log.warning(
            "Tasks wait for providers that are not configured: %s",
            ", ".join(names),
            extra=log_fields(None, "provider_missing", providers=names),
        )
    return [KeyGroup(providers={name: providers[name]}, limiter=AdaptiveRateLimiter(None)) for name in names]

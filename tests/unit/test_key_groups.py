"""Which providers share a key and a rate limit."""

import time

import pytest

from bot.config import load_settings
from bot.key_groups import key_groups, prices_s, providers_of, reachable_hosts, unconfigured_groups
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.registry import KINDS
from bot.watching.cadence import SPARE_POLL_PRICE_S
from bot.watching.gateway_state import GatewayStates
from tests.fakes.clock import NOON
from tests.fakes.transport import always, json_response, never

TOKEN = {"TELEGRAM_BOT_TOKEN": "99:secret"}
GATEWAY = {"GATEWAY_BASE_URL": "https://gw.example", "GATEWAY_API_KEY": "sk-gateway"}
UNKNOWN_RPS = AdaptiveRateLimiter(None).rate


def rates(**environment: str) -> dict[frozenset[str], float]:
    """The rate with which each key begins, by the names of the providers that it opens."""
    settings = load_settings(TOKEN | environment)
    return {
        frozenset(group.providers): group.limiter.rate
        for group in key_groups(settings, never(), GatewayStates(clock=lambda: NOON))
    }


def provider(name: str, kind: str, **facts: str) -> dict[str, str]:
    """The settings of a provider of its own."""
    return {f"PROVIDERS__{name}__{what}": value for what, value in (facts | {"KIND": kind}).items()}


def test_a_gateways_kinds_share_its_one_key():
    assert rates(**GATEWAY) == {frozenset(KINDS): 20.0}


@pytest.mark.parametrize(
    "own",
    [
        {"API_KEY": "sk-another"},
        {"BASE_URL": "https://other.example", "API_KEY": "sk-gateway"},
        {"BASE_URL": "https://gw.example:8443", "API_KEY": "sk-gateway"},
    ],
    ids=["key", "host", "port"],
)
def test_another_key_host_or_port_has_an_allowance_of_its_own(own: dict[str, str]):
    found = rates(**GATEWAY, **provider("MINE", "newapi", **own))

    assert found[frozenset({"mine"})] == UNKNOWN_RPS
    assert len(found) == 2


def test_a_second_name_for_the_same_key_shares_its_allowance():
    found = rates(**GATEWAY, **provider("MINE", "newapi", BASE_URL="https://gw.example/v1/"))

    assert set(found) == {frozenset({*KINDS, "mine"})}


@pytest.mark.parametrize(
    ("mine", "yours", "rate"),
    [
        (None, None, UNKNOWN_RPS),
        ("3", None, 3.0),
        ("3", "0.5", 0.5),
        ("900", None, 900.0),
    ],
)
def test_the_least_that_is_set_for_a_key_holds_for_all_its_names(
    mine: str | None, yours: str | None, rate: float
):
    key = {"BASE_URL": "https://gw.example", "API_KEY": "sk-shared"}
    names = {"MINE": mine, "YOURS": yours}
    environment = {
        setting: value
        for name, rps in names.items()
        for setting, value in provider(name, "videos", **key, **({"MAX_RPS": rps} if rps else {})).items()
    }

    assert rates(**environment) == {frozenset({"mine", "yours"}): rate}


@pytest.mark.parametrize(("max_rps", "rate"), [("50", 50.0), ("2", 2.0)])
def test_what_is_set_for_a_name_takes_the_place_of_what_its_kind_publishes(max_rps: str, rate: float):
    key = {"BASE_URL": "https://gw.example", "API_KEY": "sk-mine"}

    assert rates(**provider("MINE", "alibailian", **key, MAX_RPS=max_rps)) == {frozenset({"mine"}): rate}


def test_only_an_allowance_that_somebody_names_is_spent():
    settings = load_settings(
        TOKEN | GATEWAY | provider("MINE", "newapi", MAX_RPS="3") | provider("YOURS", "alibailian")
    )

    assert prices_s(settings) == {"mine": SPARE_POLL_PRICE_S}


def test_videos_may_come_from_the_gateways_own_addresses_and_no_other_private_ones():
    own = {"GATEWAY_BASE_URL": "http://192.168.1.5:3000/v1", "GATEWAY_API_KEY": "sk-gateway"}
    allowed = reachable_hosts(load_settings(TOKEN | own | {"DOWNLOAD_ALLOW_PRIVATE": "nas:8080"}))

    assert allowed.allows("192.168.1.5", 3000, "192.168.1.5")
    assert allowed.allows("nas", 8080, "192.168.1.9")
    assert not allowed.allows("192.168.1.5", 80, "192.168.1.5")
    assert not allowed.allows("nas", 80, "192.168.1.9")


@pytest.mark.parametrize("name", ["mine", "yours"])
async def test_all_gateways_of_a_key_count_their_requests_against_its_one_limit(name: str):
    key = {"BASE_URL": "https://gw.example", "API_KEY": "sk-shared", "MAX_RPS": "0.01"}
    settings = load_settings(TOKEN | provider("MINE", "videos", **key) | provider("YOURS", "newapi", **key))
    (group,) = key_groups(settings, always(json_response({"status": "queued"})))

    await group.providers[name].fetch("video_1", is_counted=True)
    assert group.limiter.available(time.monotonic()) == 1

    await group.providers[name].fetch("video_1")
    assert group.limiter.available(time.monotonic()) == 0


def test_a_provider_that_only_tasks_name_has_a_key_of_its_own_and_a_warning(caplog: pytest.LogCaptureFixture):
    providers = providers_of(key_groups(load_settings(TOKEN | GATEWAY), never()))

    (found,) = unconfigured_groups(providers, {"newapi", "gone"})

    assert (list(found.providers), found.state) == (["gone"], None)
    assert caplog.messages == ["Tasks wait for providers that are not configured: gone"]


def test_without_such_tasks_there_is_no_such_key(caplog: pytest.LogCaptureFixture):
    providers = providers_of(key_groups(load_settings(TOKEN | GATEWAY), never()))

    assert unconfigured_groups(providers, {"newapi"}) == []
    assert caplog.messages == []

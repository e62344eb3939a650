"""Providers of their own, and what the gateway's settings add to each."""

import pytest

from bot.providers.registry import KINDS
from tests.unit.test_config import GATEWAY, OWN, OWN_KEY, configs, load, mistakes


def test_a_gateway_means_every_kind_under_its_own_name():
    base, key = "https://gw.example/v1", "sk-hunter2-gateway"

    assert configs(load(GATEWAY)) == {kind: (kind, base, key) for kind in KINDS}


@pytest.mark.parametrize(("name", "kind"), [("seedance", "jimeng"), ("sora", "videos"), ("newapi", "newapi")])
def test_a_provider_named_like_a_kind_or_its_alias_is_of_that_kind(name: str, kind: str):
    settings = load(GATEWAY, {f"PROVIDERS__{name.upper()}__API_KEY": "k"})

    assert configs(settings)[name] == (kind, "https://gw.example/v1", "k")


def test_a_provider_of_its_own_takes_from_the_gateway_what_it_does_not_say():
    settings = load(GATEWAY, PROVIDERS__MINE__KIND="Veo", PROVIDERS__MINE__MAX_RPS="2.5")

    assert configs(settings)["mine"] == ("videos", "https://gw.example/v1", "sk-hunter2-gateway")
    rates = {provider.name: provider.max_rps for provider in settings.providers}
    assert (rates["mine"], rates["videos"]) == (2.5, None)


@pytest.mark.parametrize(
    ("base_url", "path", "root"),
    [
        ("https://dashscope.example", "/api/v1/tasks/{id}", "https://dashscope.example"),
        ("https://dashscope.example/api/v1/", "/api/v1/tasks/{id}", "https://dashscope.example"),
        ("https://ark.example/api/v3", "/api/v3/contents/generations/tasks/{id}", "https://ark.example"),
        ("https://gw.example/api", "/api-v3/{id}", "https://gw.example/api"),
        ("https://gw.example/relay", "/%7Eme/{id}:status", "https://gw.example/relay"),
    ],
)
def test_a_path_of_its_own_is_not_repeated_after_a_base_url_that_ends_with_its_beginning(
    base_url: str, path: str, root: str
):
    own = {"KIND": "ark", "BASE_URL": base_url, "API_KEY": "k", "PATH": path}

    (provider,) = load({f"PROVIDERS__VOLC__{name}": value for name, value in own.items()}).providers

    assert (provider.base_url, provider.path) == (root, path)
    assert provider.host == root.removeprefix("https://").partition("/")[0]


def test_a_provider_of_its_own_wins_over_the_gateways_kind_of_that_name():
    settings = load(
        GATEWAY, PROVIDERS__VIDEOS__BASE_URL="https://own.example", PROVIDERS__VIDEOS__API_KEY="k"
    )

    assert configs(settings)["videos"] == ("videos", "https://own.example", "k")
    assert len(settings.providers) == len(KINDS)


def test_a_provider_with_nothing_to_fall_back_on_lacks_three_things():
    lines = mistakes(PROVIDERS__MINE__MAX_RPS="5")

    assert [line.partition(" ")[0] for line in lines] == [
        "PROVIDERS__MINE__KIND",
        "PROVIDERS__MINE__BASE_URL",
        "PROVIDERS__MINE__API_KEY",
    ]


def test_the_gateways_key_goes_to_no_other_host():
    assert mistakes(GATEWAY, OWN) == [
        "PROVIDERS__MINE__API_KEY is missing: GATEWAY_API_KEY goes to the gateway's host only."
    ]
    assert configs(load(GATEWAY, OWN, OWN_KEY))["mine"][2] == "sk-hunter2-own"


def test_the_gateways_key_goes_to_another_path_of_its_host():
    settings = load(GATEWAY, OWN, PROVIDERS__MINE__BASE_URL="https://gw.example/openai")

    assert configs(settings)["mine"][2] == "sk-hunter2-gateway"


def test_a_name_that_nobody_could_type_is_a_mistake():
    (line,) = mistakes(GATEWAY, {"PROVIDERS__MY CLOUD__KIND": "wan"})

    assert line.startswith("PROVIDERS__MY CLOUD: a provider's name is made of")

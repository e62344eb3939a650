from dataclasses import replace

import pytest

from bot.providers.catalog import Catalog, NotConfigured, SeveralFit, UnknownWord
from bot.providers.parsing.find_ids import FoundId
from bot.providers.registry import ProviderConfig


def catalog_of(**kinds: str) -> Catalog:
    return Catalog(
        ProviderConfig(name=name, kind=kind, base_url="https://gateway.example.com:8443/v1", api_key="sk-x")
        for name, kind in kinds.items()
    )


def test_providers_keep_their_order_and_show_their_host():
    catalog = catalog_of(second="videos", first="jimeng")
    assert catalog.names == ("second", "first")
    assert [(one.name, one.kind, one.host) for one in catalog] == [
        ("second", "videos", "gateway.example.com:8443"),
        ("first", "jimeng", "gateway.example.com:8443"),
    ]


def test_a_configured_name_wins_over_an_alias():
    assert catalog_of(sora="jimeng", videos="videos").resolve("Sora") == "sora"


@pytest.mark.parametrize("word", ["videos", "sora", "VEO", "openai"])
def test_an_alias_means_the_provider_named_like_the_kind(word: str):
    assert catalog_of(other="videos", videos="videos").resolve(word) == "videos"


def test_an_alias_means_the_only_provider_of_its_kind():
    assert catalog_of(mine="videos", his="jimeng").resolve("sora") == "mine"


def test_a_provider_named_like_another_kind_is_not_selected_for_that_kind():
    assert catalog_of(videos="jimeng", mine="videos").resolve("sora") == "mine"


def test_several_of_a_kind_must_be_named():
    with pytest.raises(SeveralFit) as caught:
        catalog_of(one="videos", two="videos").resolve("sora")
    assert caught.value.names == ("one", "two")


def test_a_kind_without_a_provider_is_not_configured():
    with pytest.raises(NotConfigured) as caught:
        catalog_of(mine="videos").resolve("wan")
    assert caught.value.kind == "alibailian"


def test_other_words_are_unknown():
    with pytest.raises(UnknownWord):
        catalog_of(mine="videos").resolve("runway")


ID = FoundId(external_id="b7d0f3a2-55c1-4e0e-9d7a-0f3c2b1a9e88", kinds=("alibailian", "videos"))


@pytest.mark.parametrize(
    ("found", "words", "names"),
    [
        (ID, (), ("mine", "his")),
        (replace(ID, kinds=()), (), ("mine", "his", "new")),
        (replace(ID, kinds=("jimeng",)), (), ("mine", "his", "new")),
        (ID, ("mine",), ("mine",)),
        (ID, ("sora", "please"), ("his",)),
        (ID, ("videos", "new"), ("mine", "his")),
        (replace(ID, kinds=(), host="new.example"), (), ("new",)),
        (replace(ID, host="elsewhere.example"), (), ("mine", "his")),
    ],
)
def test_the_providers_that_fit_an_id_are_those_of_its_host_kinds_and_words(found, words, names):
    catalog = Catalog(
        ProviderConfig(name=name, kind=kind, base_url=f"https://{name}.example", api_key="sk-x")
        for name, kind in {"mine": "alibailian", "his": "videos", "new": "newapi"}.items()
    )
    assert catalog.fitting(found, words) == names

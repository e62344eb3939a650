import pytest

from bot.providers.registry import KINDS, ProviderConfig, kind_of


def test_known_aliases_are_kept():
    words = {
        "alibailian": ("bailian", "wan", "dashscope"),
        "newapi": ("generations",),
        "jimeng": ("seedance", "ark"),
        "videos": ("sora", "veo", "openai"),
    }

    assert KINDS.items() >= words.items()


@pytest.mark.parametrize("word", ["videos", "Sora", "VEO"])
def test_a_kind_is_named_by_itself_and_by_its_aliases_in_any_case(word: str):
    assert kind_of(word) == "videos"


def test_another_word_names_no_kind():
    assert kind_of("runway") is None


def test_the_key_is_not_in_a_configs_repr():
    config = ProviderConfig(name="x", kind="videos", base_url="https://x.example", api_key="sk-secret")
    assert "sk-secret" not in repr(config)

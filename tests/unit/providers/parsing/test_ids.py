from datetime import UTC, datetime

import pytest

from bot.providers.parsing.ids import created_at_from_id, valid_id


@pytest.mark.parametrize(
    "text",
    [
        "a55bfe14-6e78-4b9d-b97d-128420399ed1",
        "cgt-20250829165122-qkwch",
        "14117763723766220057",
        "sora-2:task_01k81e7r1mf0qtvp3ett3mr4jm",
        "veo3.1-fast:1760000000-abcDEF",
        "a+b=",
        "video_" + "bGl0ZWxsbTpj" * 31,
        "x" * 512,
    ],
)
def test_ids_that_gateways_give_are_valid(text: str):
    assert valid_id(text)


@pytest.mark.parametrize("text", ["", ".", "...", "a/b", "a?b", "a#b", "a b", "a\n", "ä", "١", "x" * 513])
def test_what_could_lead_elsewhere_is_no_id(text: str):
    assert not valid_id(text)


def test_an_ark_id_holds_beijing_time():
    assert created_at_from_id("cgt-20250829165122-qkwch") == datetime(2025, 8, 29, 8, 51, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "external_id",
    [
        "task_01k6x15vhrff09dkkqjrzwhm60",
        "sora-2:task_01k6x15vhrff09dkkqjrzwhm60",
        "TASK_01K6X15VHRFF09DKKQJRZWHM60",
        "sora:01k6x15vhrff09dkkqjrzwhm60",
    ],
)
def test_a_ulid_holds_milliseconds(external_id: str):
    assert created_at_from_id(external_id) == datetime(2025, 10, 6, 15, 10, 26, 872000, tzinfo=UTC)


@pytest.mark.parametrize(
    "external_id",
    [
        "a55bfe14-6e78-4b9d-b97d-128420399ed1",
        "task_8kQ2mZx7Lw0PbVn4RtYc1HsDf6GjKaEu",
        "cgt-20251399990000-abcde",
        "cgt-00010101000000-abcde",
        "cgt-20250829-qkwch",
        "task_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "task_00000000000000000000000000",
        "video_69b131ea03548190925a6a06febf993b",
    ],
)
def test_other_ids_have_no_creation_time(external_id: str):
    assert created_at_from_id(external_id) is None

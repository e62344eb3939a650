import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parsing import plain_text
from bot.providers.parsing.find_ids import FoundId, find_ids
from bot.providers.parsing.ids import valid_id
from bot.providers.registry import ProviderConfig, id_formats

# What people paste, and what is found in it: collected from vendors' documentation, issues and logs.
PASTES = json.loads((Path(__file__).parents[3] / "fixtures" / "pastes.json").read_text("utf-8"))
TASK = "task_LtujSKpBYTZNT4BXpUlfKYypoM5XabZZ"
UUID = "b7d0f3a2-55c1-4e0e-9d7a-0f3c2b1a9e88"
FORMATS = id_formats()


@pytest.mark.parametrize("paste", PASTES, ids=[each["text"][:40] for each in PASTES])
def test_exactly_the_task_ids_are_found_in_what_people_paste(paste):
    found = find_ids(plain_text(paste["text"]), FORMATS)
    assert {each.external_id: list(each.kinds) for each in found.ids} == paste["ids"]
    assert (found.cut_off, found.has_key) == (paste.get("cut_off", 0), paste.get("has_key", False))


def test_the_order_of_the_text_is_kept_across_its_forms():
    texts = ["cgt-20260725165122-qkwcz", f"https://gw.example/v1/videos/{TASK}", f'{{"task_id":"{UUID}"}}']
    found = find_ids("\n".join(texts), FORMATS)
    assert [each.external_id for each in found.ids] == ["cgt-20260725165122-qkwcz", TASK, UUID]


def test_an_address_names_its_host():
    (found,) = find_ids(f"https://user:pass@GW.example:8443/v1/videos/{TASK}", FORMATS).ids
    assert found == FoundId(external_id=TASK, kinds=("videos",), host="gw.example:8443")


def test_an_id_that_ends_in_padding_is_whole():
    padded = "video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOnZlcnRleA=="
    assert [each.external_id for each in find_ids(f"watch {padded}, please", FORMATS).ids] == [padded]


@pytest.mark.parametrize("label", ["task_id=", "id: ", '{"data": "'])
def test_the_beginning_of_a_word_that_is_too_long_is_no_id(label: str):
    assert not find_ids(f"{label}{'a1' * 300}", FORMATS).ids
    assert find_ids(f"{label}{'a1' * 250}", FORMATS).ids


PIECES = [
    "{", "}", "[", "]", '"', "'", "\\", "/", "\n", " ", ":", "=", "…", "...", "***", "_", "-", "%3A", "id",
    "task_id", "request_id", "https://", "/v1/videos/", "/jimeng/fetch/", "sk-", "Bearer ", "任务", "：",
    "output",
    TASK, UUID, "1234567890123456", ".mp4", "?task_id=", "|", "0",
]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=60).map("".join))
def test_any_text_has_valid_ids_or_none(text):
    plain = plain_text(text)
    found = find_ids(plain, FORMATS)
    ids = [each.external_id for each in found.ids]
    assert len(ids) == len(set(ids))
    assert all(valid_id(each) for each in ids)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "[" * 1_000_000,
        '{"data":' * 125_000,
        "{'" * 500_000,
        "https://a/" * 100_000,
        "task id : " * 100_000,
        "/task" * 200_000,
        "._a" * 330_000,
        "_" * 1_000_000,
        "sk-Bearer " * 100_000,
        "eyJ-" * 250_000,
        ("x" * 99 + "\n") * 10_000,
        "\n".join(f"{TASK[:-5]}{number:05}" for number in range(10_000)),
        f"{TASK}{'…' * 1_000_000}",
        "\\" * 1_000_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_megabyte_is_searched_in_bounded_time(text):
    begin = time.process_time()
    found = find_ids(text, FORMATS)
    assert time.process_time() - begin < 5.0
    assert len(found.ids) <= 1_000


def test_the_address_of_a_providers_own_path_tells_the_id_and_its_format():
    config = ProviderConfig(
        name="mine", kind="jimeng", base_url="https://gw.example", api_key="k", path="/relay/jobs/{id}/state"
    )
    text = "curl https://gw.example/relay/jobs/film-no.7/state"

    (found,) = find_ids(text, id_formats([config])).ids

    assert (found.external_id, found.kinds, found.host) == ("film-no.7", ("jimeng",), "gw.example")
    assert not find_ids(text, FORMATS).ids

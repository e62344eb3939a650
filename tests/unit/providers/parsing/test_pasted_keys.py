import pytest

from bot.providers.parsing.pasted_keys import cut_keys


@pytest.mark.parametrize(
    "key",
    [
        "sk-Zk112233445566778899001122334455",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhayJ9.abc",
        "123456789:AAH-abcdefghijklmnopqrstuvwxyz12345",
        "hf_abcdefghijklmnop1234",
        "b7d0f3a2-55c1-4e0e-9d7a-0f3c2b1a9e88:0123456789abcdef01",
    ],
)
def test_a_key_is_cut_out_and_reported(key):
    text, has_key = cut_keys(f"curl -H 'Authorization: {key}' x")
    assert has_key
    assert key not in text
    assert key[:12] not in text


@pytest.mark.parametrize(
    "before",
    [
        "-H 'Authorization: ",
        '"Authorization": "',
        "Authorization: Token ",
        "API Key: ",
        "api key：",
        "密钥：",
        '"token": "',
        "x-token: ",
        "ARK_KEY=",
        "Ark key ",
        "my key is ",
        "我的key是",
    ],
)
def test_a_key_of_the_shape_of_an_id_is_known_by_the_words_before_it(before):
    text, has_key = cut_keys(f"{before}0f8fad5b-d9cb-469f-a165-70867728950e' task_LtujSKpBYTZNT4BX")
    assert has_key
    assert "0f8fad5b" not in text
    assert "task_LtujSKpBYTZNT4BX" in text


@pytest.mark.parametrize(
    "text", ["Bearer YOUR_API_KEY", "sk-xxxxxxxxxxxxxxxx", "sk-abc***wxyz1", "api_key=$KEY", "a bearer token"]
)
def test_a_placeholder_is_no_key(text):
    assert not cut_keys(text)[1]


def test_a_text_without_keys_is_unchanged():
    text = "task_LtujSKpBYTZNT4BXpUlfKYypoM5XabZZ at https://gw.example/v1/videos?task_id=1"
    assert cut_keys(text) == (text, False)


def test_a_chinese_word_ends_a_key():
    text, has_key = cut_keys("我的key是sk-Zk112233445566这个任务task_LtujSKpB")
    assert (text, has_key) == ("我的key是-这个任务task_LtujSKpB", True)

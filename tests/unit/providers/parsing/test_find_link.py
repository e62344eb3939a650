"""The fallback finds the video's link, and never a decoy."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.parsing.find_link import only_video_link

VIDEO = "https://cdn.example.com/a/only.mp4?sig=%2F1"
DECOYS = [
    {"input": {"images": ["https://x.example/in.png"]}},
    {"input": {"video_url": "https://x.example/seed.mp4"}},
    {"reference_video": "https://x.example/ref.mp4"},
    {"gif_url": "https://x.example/videos/a.gif"},
    {"thumbnail_url": "https://x.example/videos/thumb.webp"},
    {"cover": "https://x.example/video/cover"},
    {"last_frame_url": "https://x.example/video/1"},
    {"videoCoverUrl": "https://x.example/1"},
    {"coverurl": "https://x.example/video/1"},
    {"lastframe": "https://x.example/video/2"},
    {"imgUrl": "https://x.example/video/3.mp4"},
    {"driving_video": "https://x.example/pose.mp4"},
    {"callbackurl": "https://x.example/video/4"},
    {"poster": {"url": "https://x.example/poster.mp4"}},
    {"callback_url": "https://x.example/video/hook"},
    {"polling_url": "https://x.example/v1/videos/1"},
    {"audio_url": "https://x.example/video/sound.mp3"},
    {"draft_info": {"url": "https://x.example/video/draft.mp4"}},
    {"preview_video": "https://x.example/p.mp4"},
    {"docs": "https://x.example/docs/video"},
    {"request": json.dumps({"video_url": "https://x.example/seed.mp4"})},
    {"url": "https://x.example/uploads/seed.mp4"},
]
FORMS = [
    {"data": [{"url": VIDEO}]},
    {"data": {"url": VIDEO}},
    {"output": VIDEO},
    {"output": [VIDEO, "https://cdn.example.com/a/second.mp4"]},
    {"outputs": [VIDEO]},
    {"outputs": [{"url": VIDEO}]},
    {"urls": [VIDEO]},
    {"videos": [VIDEO]},
    {"videos": [{"url": VIDEO}]},
    {"response": {"url": VIDEO}},
    {"content_url": VIDEO},
    {"result": {"content": {"video_url": VIDEO}}},
    {"output": {"output_video_url": VIDEO}},
    {"data": json.dumps({"content": {"video_url": VIDEO}})},
    {"remark": VIDEO},
    {"generation": {"asset": {"href": VIDEO}}},
    {"video": VIDEO, "video_url": VIDEO},
    {"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": VIDEO}}]}}},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: json.dumps(form)[:50])
@pytest.mark.parametrize("decoy", [{}, *DECOYS], ids=lambda decoy: json.dumps(decoy)[:50])
def test_the_link_is_found_wherever_it_stands(form: dict[str, object], decoy: dict[str, object]):
    assert only_video_link({"status": "completed", "made": decoy, **form}) == VIDEO


@given(st.lists(st.sampled_from(DECOYS), max_size=6), st.sampled_from(["data", "detail", "result", "video"]))
def test_no_decoy_is_ever_taken(decoys: list[dict[str, object]], name: str):
    task = {"status": "completed", name: decoys, **{key: each for one in decoys for key, each in one.items()}}
    assert only_video_link(task) is None


def test_of_several_videos_in_different_places_none_is_guessed():
    assert only_video_link({"hd": VIDEO, "other": "https://cdn.example.com/b.mp4"}) is None


@pytest.mark.parametrize(
    "worse",
    [
        "watermarked_url", "watermark_video", "waterMarkUrl", "wm_url", "backup_url", "progress_video",
    ],
)  # fmt: skip
def test_a_worse_copy_beside_the_video_is_not_taken(worse: str):
    copy = "https://cdn.example.com/copy.mp4"
    assert only_video_link({"creations": [{worse: copy, "url": VIDEO}]}) == VIDEO
    assert only_video_link({"creations": [{worse: copy}]}) == copy


@pytest.mark.parametrize("clean", ["no_watermark_url", "urlWithoutWatermark", "clean_video"])
def test_the_video_without_a_watermark_is_taken(clean: str):
    assert only_video_link({"files": {"main": "https://cdn.example.com/m.mp4", clean: VIDEO}}) == VIDEO


@pytest.mark.parametrize(
    ("label", "decoy", "right"),
    [
        ("type", "image", "video"),
        ("role", "reference_video", "result"),
        ("content_type", "image/png", "video/mp4"),
        ("fileType", "png", "mp4"),
    ],
)
def test_the_labels_of_a_list_item_count(label: str, decoy: str, right: str):
    items = [
        {label: decoy, "url": "https://cdn.example.com/1"},
        {label: right, "url": "https://cdn.example.com/2"},
    ]
    assert only_video_link({"outputs": items}) == "https://cdn.example.com/2"


def test_an_input_that_a_task_repeats_is_not_its_video():
    seed = {"type": "video_url", "role": "reference_video", "video_url": {"url": "https://x.example/in.mp4"}}
    assert only_video_link({"content": [seed]}) is None
    assert only_video_link({"content": [seed], "result": {"video": VIDEO}}) == VIDEO


def test_of_several_containers_mp4_is_taken():
    assert only_video_link({"webm": "https://cdn.example.com/b.webm", "mp4": VIDEO}) == VIDEO


@pytest.mark.parametrize(
    "form",
    [
        {"output": "L"},
        {"outputs": ["L"]},
        {"results": [{"url": "L"}]},
        {"data": [{"url": "L"}]},
        {"creations": [{"id": "c", "url": "L", "cover_url": "https://cdn.example.com/c"}]},
        {"extra": {"mp4": "L"}},
        {"file": {"download_url": "L"}, "status_url": "https://api.example.com/q"},
    ],
    ids=json.dumps,
)
def test_an_unnamed_link_is_used_under_keys_of_results(form: dict[str, object]):
    link = "https://cdn.example.com/a/9f3c?sig=1"
    assert only_video_link(json.loads(json.dumps(form).replace("L", link))) == link


@pytest.mark.parametrize(
    "decoy",
    [
        {"response_url": "https://queue.example.com/r/1"},
        {"urls": {"get": "https://api.example.com/p/1", "web": "https://example.com/p/1"}},
        {"result": {"homepage": "https://example.com/p/1"}},
        {"output": {"image": "https://cdn.example.com/1"}},
        {"output": ["https://cdn.example.com/1.zip"]},
    ],
    ids=json.dumps,
)
def test_an_unnamed_link_is_not_used_under_other_keys(decoy: dict[str, object]):
    assert only_video_link(decoy) is None


@pytest.mark.parametrize(
    "text",
    [
        "Done: [watch](https://cdn.example.com/1.mp4?sig=a)",
        "视频已生成：https://cdn.example.com/1.mp4?sig=a，请下载",
        "<video src='https://cdn.example.com/1.mp4?sig=a'></video> ![](https://cdn.example.com/1.jpg)",
    ],
)
def test_a_link_among_words_is_found_where_no_other_is(text: str):
    assert only_video_link({"content": text}) == "https://cdn.example.com/1.mp4?sig=a"
    assert only_video_link({"content": text, "url": VIDEO}) == VIDEO
    assert only_video_link({"prompt": text, "logs": text}) is None
    assert only_video_link({"content": f"{text} or https://cdn.example.com/2.mp4"}) is None


@pytest.mark.parametrize("name", ["image-to-video", "img2video", "first_frame_to_video"])
def test_what_a_video_is_made_from_is_no_word_against_it(name: str):
    link = f"https://cdn.example.com/{name}/1.mp4"
    assert only_video_link({"output": link}) == link


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.text()
        | st.sampled_from([VIDEO, "{", "[http", '{"a":"http://["}']),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_value_is_handled(value: object):
    only_video_link({"x": value})


def test_the_search_of_a_wide_and_deep_body_is_bounded():
    deep: object = VIDEO
    for _ in range(100):
        deep = {"x": deep}
    assert only_video_link({"deep": deep}) is None
    assert only_video_link({"wide": ["x"] * 100_000, "z": VIDEO}) is None

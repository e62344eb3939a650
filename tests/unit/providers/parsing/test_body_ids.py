import json

import pytest

from bot.providers.parsing.body_ids import bodies, ids_in, kind_of_body, request_id_of


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"data": "cgt-1-a"}, ["cgt-1-a"]),
        ({"output": {"task_id": "a-1234"}, "request_id": "b-1234"}, ["a-1234"]),
        ({"data": [{"task_id": "a-1234"}, {"task_id": "b-1234"}]}, ["a-1234", "b-1234"]),
        ({"task_id": "outer1", "data": {"task_id": "inner1"}}, ["outer1"]),
        ({"id": 12, "data": {"id": 408914860220872}}, [408914860220872]),
        ({"status": "ok"}, []),
    ],
)
def test_the_outermost_id_is_the_tasks(body, ids):
    assert ids_in(body) == ids


def test_a_request_id_names_a_task_only_alone():
    assert request_id_of({"request_id": "a-1"}) == "a-1"
    assert request_id_of({"request_id": "a-1", "data": {}}) is None


def test_a_body_that_is_nested_deep_ends():
    body: dict[str, object] = {"task_id": "deep-1"}
    for _ in range(50_000):
        body = {"data": body}
    assert ids_in(body) == []


def test_bodies_are_found_beside_text_and_as_python_prints_them():
    text = "200 {\"a\": 1} then {'b': None, 'c': True} and {broken"
    assert [json.dumps(body) for body, _, _ in bodies(text)] == ['{"a": 1}', '{"b": null, "c": true}']


def test_a_field_of_one_format_alone_tells_the_kind():
    marks = {"alibailian": ("output.task_status",), "newapi": ()}
    assert kind_of_body({"output": {"task_status": "PENDING"}}, marks) == "alibailian"
    assert kind_of_body({"output": {}}, marks) is None

"""A failure's reason is found at any path, and no other text is taken for it."""

import json

import pytest

from bot.providers.account import Account
from bot.providers.formats.videos import Videos
from storage.models import Cause, TaskError

TOLD = "Boom."


def error_of(failed: dict[str, object]) -> TaskError:
    wire = Videos(Account(name="mine", base_url="https://gateway.example.com", key="sk-secret-of-ours"))
    error = wire.read({"id": "x", "status": "failed", **failed}, "x").error
    assert error is not None
    return error


@pytest.mark.parametrize(
    "failed",
    [
        {"failure": TOLD, "failureCode": "INTERNAL.BAD"},
        {"errors": [{"code": 5, "message": TOLD}]},
        {"error": [TOLD]},
        {"error": {"error": {"message": TOLD}}},
        {"error": {"message": {"text": TOLD}}},
        {"error": {"detail": TOLD}},
        {"error": json.dumps({"code": "x", "message": TOLD})},
        {"error": {}, "message": TOLD},
        {"message": "success", "output": {"error": TOLD}},
        {"failure": {"reason": TOLD}},
        {"errorMsg": TOLD},
        {"failed_reason": TOLD},
        {"last_error": {"message": TOLD}},
        {"metadata": {"error": TOLD}},
        {"base_resp": {"status_code": 1027, "status_msg": TOLD}},
        {"remark": TOLD},
    ],
    ids=json.dumps,
)
def test_the_reason_is_found(failed: dict[str, object]):
    assert error_of(failed).message == TOLD


@pytest.mark.parametrize(
    "failed",
    [
        {"message": "success"},
        {"error": None, "msg": "OK"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"input": {"message": "a prompt"}, "prompt": {"description": "a prompt"}},
        {"preferred_language": "zh", "title": "a boat", "description": "a boat at dawn"},
        {"error_url": "https://example.com/why"},
    ],
    ids=json.dumps,
)
def test_other_texts_are_not_read_as_a_reason(failed: dict[str, object]):
    assert error_of(failed).message == ""


def test_a_code_replaces_a_missing_reason():
    error = error_of({"err_code": "AuditSubmitIllegal"})
    assert (error.message, error.cause) == ("AuditSubmitIllegal", Cause.MODERATION)


def test_an_endless_nest_of_errors_is_given_up():
    deep: object = TOLD
    for _ in range(2_000):
        deep = {"error": deep}
    assert error_of({"error": deep}).message == ""

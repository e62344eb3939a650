"""The plan of what goes wrong; how each fault feels is tested with the servers."""

from bot.sandbox.faults import DROPPED, LOST_RESPONSE, FaultPlan, json_response


def test_faults_are_used_in_their_order_and_run_out() -> None:
    plan: FaultPlan[str] = FaultPlan()
    plan.add("send", DROPPED, times=2)
    plan.add("send", LOST_RESPONSE)

    struck = [plan.match(["send"], "") for _ in range(4)]

    assert struck == [DROPPED, DROPPED, LOST_RESPONSE, None]


def test_a_fault_without_a_number_lasts_until_cleared() -> None:
    plan: FaultPlan[str] = FaultPlan()
    plan.add("*", DROPPED, times=None)

    assert [plan.match(["any"], "") for _ in range(3)] == [DROPPED] * 3
    plan.clear()
    assert plan.match(["any"], "") is None


def test_other_requests_do_not_count() -> None:
    plan: FaultPlan[str] = FaultPlan()
    plan.add("send", DROPPED, when=lambda request: request == "bad")

    assert plan.match(["send"], "good") is None
    assert plan.match(["edit"], "bad") is None
    assert plan.match(["edit", "send"], "bad") is DROPPED


def test_a_json_response_keeps_other_alphabets_and_its_headers() -> None:
    fault = json_response(429, {"message": "稍后"}, {"Retry-After": "1"})

    assert fault.body.decode() == '{"message": "稍后"}'
    assert fault.headers["Retry-After"] == "1"
    assert fault.headers["Content-Type"].startswith("application/json")

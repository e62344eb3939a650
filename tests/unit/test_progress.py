"""A long command says how far it is, a short one nothing."""

import pytest

from bot.progress import ProgressLines


def test_at_most_one_line_each_two_seconds(capsys: pytest.CaptureFixture[str]):
    now = [0.0]
    progress = ProgressLines("rows", clock=lambda: now[0])
    for second in range(5):
        now[0] = float(second)
        progress(second * 1000, 10_000)

    assert capsys.readouterr().err == "2,000 of 10,000 rows …\n4,000 of 10,000 rows …\n"

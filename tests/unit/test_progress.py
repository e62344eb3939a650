"""A long command says how far it is, a short one nothing."""

import pytest

from bot.progress import ProgressLines


def test_at_most_one_line_each_five_seconds(capsys: pytest.CaptureFixture[str]):
    now = [0.0]
    progress = ProgressLines("rows", clock=lambda: now[0])
    for second in range(12):
        now[0] = float(second)
        progress(second * 1000, 20_000)

    assert capsys.readouterr().err == "5,000 of 20,000 rows …\n10,000 of 20,000 rows …\n"

"""Programs of other projects that some tests run; where one is missing, these tests are skipped."""

import shutil

import pytest

_HOW_TO_GET = {
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
}


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where the program is not installed."""
    reason = f"{program} is missing: {_HOW_TO_GET[program]}"
    return pytest.mark.skipif(not shutil.which(program), reason=reason)

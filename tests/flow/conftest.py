from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.post_office import PostOffice


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[PostOffice]:
    async with PostOffice.open(tmp_path) as opened:
        yield opened

"""A house with a fake media plane, real journals and a record in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling.ports import Ports
from tests.support.media_fake import FakeMediaPlane, FolderJournals, MemoryProceedings
from tests.support.room_page import House, serving


@pytest.fixture
def media() -> FakeMediaPlane:
    return FakeMediaPlane()


@pytest.fixture
def record() -> MemoryProceedings:
    return MemoryProceedings()


@pytest.fixture
def journals(tmp_path: Path) -> FolderJournals:
    return FolderJournals(tmp_path)


@pytest.fixture
def ports(record: MemoryProceedings, journals: FolderJournals) -> Ports:
    return Ports(record, journals)


@pytest.fixture
async def house(media: FakeMediaPlane, ports: Ports) -> AsyncIterator[House]:
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        yield house

"""The loop of a media process for tests, so that workers in the test's own process have their express lane."""

import asyncio
from collections.abc import Callable

from signaling.media.media_loop import MediaLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return what pytest-asyncio makes its loops with."""
    return {"media-loop": MediaLoop}

"""Sending a file: what a player that hangs up in the middle means."""

import io
from unittest.mock import AsyncMock

from aiohttp import ClientConnectionResetError
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import make_mocked_request

from web.serving import send_file


async def test_a_player_that_seeks_elsewhere_and_hangs_up_is_no_fault() -> None:
    writer = AsyncMock(AbstractStreamWriter, output_size=0)
    writer.write.side_effect = ClientConnectionResetError("Cannot write to closing transport")
    request = make_mocked_request("GET", "/film", writer=writer)
    film = io.BytesIO(bytes(1 << 20))
    response = await send_file(request, film, tag='"1"', content_type="video/webm")
    assert response.status == 200
    assert film.closed
    writer.write.assert_awaited_once()

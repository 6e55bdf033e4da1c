"""Sends files that lie encrypted, whole or in the ranges that players and resumed downloads ask for (RFC 9110 §14)."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes are sent: from `start` up to, without it, `stop`; `whole` when no range was asked for."""

    start: int
    stop: int
    whole: bool


def part_asked(request: web.Request, size: int, tag: str) -> Part | None:
    """Return what a request asks for of a file; None when there is nothing of it in the file.

    One range at most is served; several, or one that makes no sense, get the whole, and so does one of a file that is
    not the same any more (If-Range).
    """
    if request.headers.get("If-Range", tag) != tag:
        return Part(0, size, True)
    try:
        asked = request.http_range
    except ValueError:
        return Part(0, size, True)
    if asked.start is None:
        return Part(0, size, True)
    start = max(0, size + asked.start) if asked.start < 0 else asked.start
    stop = size if asked.stop is None else min(asked.stop, size)
    return Part(start, stop, False) if start < stop else None


async def send_file(
    request: web.Request, file: BinaryIO, *, tag: str, content_type: str, save_as: str | None = None
) -> web.StreamResponse:
    """Send an open file and close it; `save_as` is the name under which a browser keeps it instead of showing it."""
    try:
        size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        part = part_asked(request, size, tag)
        headers = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
        if save_as is not None:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(save_as)}"
        if part is None:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        if not part.whole:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        response = web.StreamResponse(status=200 if part.whole else 206, headers=headers)
        response.content_type = content_type
        response.content_length = part.stop - part.start
        await response.prepare(request)
        await asyncio.to_thread(file.seek, part.start)
        left = part.stop - part.start
        with contextlib.suppress(ConnectionResetError):  # a player that seeks elsewhere hangs up on what it had asked
            while left > 0 and (piece := await asyncio.to_thread(file.read, min(_PIECE, left))):
                await response.write(piece)
                left -= len(piece)
            await response.write_eof()
        return response
    finally:
        await asyncio.to_thread(file.close)

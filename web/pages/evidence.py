"""The evidence bundle of a hearing, to take away."""

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from records.master_keys import MasterKeyMissing
from records.refusals import Refusal
from records.sealed_files import SealedFileDamaged
from records.session_keys import SessionKeyUnreadable
from records.vault import VaultDamaged
from web.current import staff_actor
from web.exports import Exporter
from web.keys import CLOCK, DATABASE, SETTINGS, SIGNING_KEY, VAULT

log = logging.getLogger(__name__)

_PIECE = 1 << 18
_DAMAGED = (VaultDamaged, SealedFileDamaged, MasterKeyMissing, SessionKeyUnreadable, FileNotFoundError)


async def send_bundle(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/evidence: make the bundle, take down who took it, and hand it over.

    It lies on the disk only while it is sent, in a file without a name.
    """
    app = request.app
    exporter = Exporter(app[DATABASE], app[VAULT], app[SIGNING_KEY], app[SETTINGS], app[CLOCK])
    with tempfile.TemporaryFile(dir=Path(app[SETTINGS].data_dir)) as file:
        try:
            name = await exporter.export(staff_actor(request), request.match_info["session_id"], file)
        except _DAMAGED as error:
            log.exception("evidence bundle not made")
            raise Refusal("evidence_damaged") from error
        response = web.StreamResponse()
        response.content_type = "application/zip"
        response.content_length = file.tell()
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
        response.headers["Cache-Control"] = "no-store"
        await response.prepare(request)
        file.seek(0)
        with contextlib.suppress(ConnectionResetError):  # who took it hung up
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await response.write(piece)
            await response.write_eof()
    return response

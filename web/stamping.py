"""Has a time stamping authority stamp the signature of a sealed recording (RFC 3161 over HTTP, section 3.4)."""

import asyncio
import hashlib
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from records.actors import system_actor
from records.manifests import SIGNATURE
from records.timestamps import STAMP, Authority, StampRefused, ask_for
from records.vault import write_durably
from sessions.recordings import note_stamped
from web.keys import CLOCK, DATABASE, SETTINGS

STAMPER = system_actor("stamper")
TIMEOUT_S = 20
ANSWER_BYTES_MAX = 1 << 16


async def stamp_recording(app: web.Application, session_id: str) -> None:
    """Fetch a stamp, check it, keep it beside the manifest, and take it down. Again does no harm: the newest counts.

    Raises StampRefused (the authority did not answer, or not with a stamp that holds), AuthorityUnreadable, OSError:
    the outbox tries again, a limited number of times.
    """
    settings = app[SETTINGS]
    if settings.timestamp_url is None or settings.timestamp_authority_file is None:
        return
    directory = settings.journals / session_id
    authority = await asyncio.to_thread(Authority.load, settings.timestamp_authority_file)
    query = ask_for(await asyncio.to_thread((directory / SIGNATURE).read_bytes))
    answer = await _post(settings.timestamp_url, query.der)
    stamped_at = authority.stamped_at(answer, query.data, nonce=query.nonce)
    await asyncio.to_thread(_keep, directory, answer)
    async with app[DATABASE].begin() as db:
        digest = hashlib.sha256(answer).hexdigest()
        await note_stamped(db, STAMPER, session_id, digest, stamped_at, clock=app[CLOCK])


def _keep(directory: Path, answer: bytes) -> None:
    write_durably(directory / STAMP, answer)


async def _post(url: str, query: bytes) -> bytes:
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as http,
            http.post(url, data=query, headers=headers, allow_redirects=False) as response,
        ):
            answer = await response.content.read(ANSWER_BYTES_MAX)
            if response.status != 200:
                raise StampRefused(f"status {response.status}")
            while piece := await response.content.read(ANSWER_BYTES_MAX):
                answer += piece
                if len(answer) > ANSWER_BYTES_MAX:
                    raise StampRefused("too_long")
            return answer
    except (ClientError, TimeoutError) as error:
        raise StampRefused("no_answer") from error

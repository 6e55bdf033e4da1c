"""What is done after a commit asked for it: a recording is sealed, then made playable, then a picture of everybody.

Each job may run twice (the outbox delivers at least once), and then finds its work done.
"""

import asyncio
import errno
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records import outbox
from records.actors import system_actor
from records.journal_reading import segment_paths, with_key
from records.journal_store import JournalInUse, at_rest
from records.manifests import Survey, survey
from records.outbox import Handler, Letter, LetterState, NotYet
from records.sealed_files import seal_file
from sessions import recordings
from sessions.actors import session_of
from sessions.sealing import seal
from sessions.states import SessionState
from sessions.tables import Session
from signaling.media.playback import PlaybackFile
from signaling.media.remuxing import remux
from web import composites
from web.composites import MAKE_PLAYBACK, DiskFull
from web.keys import CLOCK, DATABASE, REMUXED_PERCENT, SETTINGS, SHELF, SIGNING_KEY, VAULT
from web.stamping import stamp_recording

SEAL = "seal_recording"
STAMP = "stamp_recording"

GONE_PATIENCE = timedelta(days=1)
"""How long a recording whose directory is gone is looked for; after that, when the server starts."""

SEALER = system_actor("sealer")
PLAYBACK = system_actor("playback")


class BeingWritten(NotYet):
    """The recording's end is not on the disk yet."""


class DiskGone(NotYet):
    """The recording's directory is not there."""


def handlers_for(app: web.Application) -> Mapping[str, Handler]:
    """Return the jobs by their topic."""

    async def seal(letter: Letter) -> None:
        await seal_recording(app, _session_id(letter))

    async def playback(letter: Letter) -> None:
        await make_playback(app, _session_id(letter))

    async def stamp(letter: Letter) -> None:
        await stamp_recording(app, _session_id(letter))

    return {SEAL: seal, MAKE_PLAYBACK: playback, STAMP: stamp}


def _session_id(letter: Letter) -> str:
    return str(letter.payload["session_id"])


async def seal_what_waits(app: web.Application) -> None:
    """Have every recording sealed whose hearing is over, also one that could not be before: its disk was gone, say."""
    async with app[DATABASE].begin() as db:
        for session_id in await db.scalars(select(Session.id).where(Session.state == SessionState.ENDED)):
            letter = {"session_id": session_id}
            await outbox.put_again(db, SEAL, letter, key=f"{SEAL}/{session_id}", clock=app[CLOCK])


async def sealing(db: AsyncSession, session_id: str) -> str:
    """Return what keeps a recording from being sealed: `unwritten` (its end still is), `gone` (the disk), `failed`."""
    standing = await outbox.standing_of(db, f"{SEAL}/{session_id}")
    if standing is None:
        return ""
    if standing.state is LetterState.FAILED:
        return "failed"
    return {BeingWritten.__name__: "unwritten", DiskGone.__name__: "gone"}.get(standing.last_error or "", "")


async def seal_recording(app: web.Application, session_id: str) -> None:
    """Seal the recording of an ended session, and ask for its playback files.

    Raises NotYet while its end is still being written: a disk that is slow, or full, takes it later; and for
    `GONE_PATIENCE` while its directory is gone.
    """
    directory = app[SETTINGS].journals / session_id
    try:
        surveyed = await asyncio.to_thread(_survey_at_rest, directory)
    except JournalInUse as error:
        raise BeingWritten from error
    except FileNotFoundError as error:
        async with app[DATABASE].read() as db:
            ended_at = (await session_of(db, session_id)).ended_at
        if ended_at is not None and app[CLOCK].now() - ended_at < GONE_PATIENCE:
            raise DiskGone from error
        raise
    async with app[DATABASE].begin() as db:
        if (await session_of(db, session_id, lock=True)).state is SessionState.SEALED:
            return
        await seal(
            db,
            SEALER,
            session_id,
            directory=directory,
            key=app[SIGNING_KEY],
            vault=app[VAULT],
            clock=app[CLOCK],
            surveyed=surveyed,
        )
        if app[SETTINGS].timestamp_url is not None:
            await outbox.put(db, STAMP, {"session_id": session_id}, key=f"{STAMP}/{session_id}", clock=app[CLOCK])
        await composites.ask_everything(db, session_id, clock=app[CLOCK])


def _survey_at_rest(directory: Path) -> Survey:
    # An ended hearing's journal that nobody writes to is never written to again.
    with at_rest(directory):
        return survey(directory)


async def make_playback(app: web.Application, session_id: str) -> None:
    """Derive the files that a browser plays from the journal, which stays as it is; then ask for everybody in one.

    A recording that was deleted in order keeps the files that it has. Raises DiskFull, and what `remux` raises.
    """
    if not segment_paths(app[SETTINGS].journals / session_id):
        async with app[DATABASE].begin() as db:
            await composites.ask(db, session_id, clock=app[CLOCK])
        return
    try:
        files = await asyncio.to_thread(_derive, app, session_id)
    except Exception as error:
        # What the muxer raises is no OSError, and has its number all the same.
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull from error
        raise
    made = [
        recordings.MadePlayback(
            seat_id=file.seat_id,
            path=f"{session_id}/{file.path.name}",
            starts_ms=file.starts_ms,
            duration_ms=file.duration_ms,
            has_video=file.has_video,
            has_audio=file.has_audio,
        )
        for file in files
    ]
    async with app[DATABASE].begin() as db:
        await recordings.record_playback(db, PLAYBACK, session_id, made, clock=app[CLOCK])
        if made:
            await composites.ask(db, session_id, clock=app[CLOCK])


def _derive(app: web.Application, session_id: str) -> list[PlaybackFile]:
    settings, shelf, percents = app[SETTINGS], app[SHELF], app[REMUXED_PERCENT]
    journal = with_key(settings.journals / session_id, settings.master_keys)
    public = shelf.prepare(session_id, app[SIGNING_KEY])

    def report(percent: int) -> None:
        percents[session_id] = percent

    try:
        with shelf.making() as directory:
            files = remux(journal, directory, report)
            for made in files:
                with made.path.open("rb") as file:
                    seal_file(file, shelf.place(f"{session_id}/{made.path.name}"), public, session_id)
                made.path.unlink()
    finally:
        percents.pop(session_id, None)
    return files

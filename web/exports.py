"""Makes the evidence bundle of one hearing (`records.bundle`), and takes down on the trail who asked for it."""

import asyncio
import getpass
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.tables import CaseSession, Order
from records import trail
from records.actors import Actor, system_actor
from records.archive import ArchiveWriter
from records.bundle import (
    BUNDLE,
    COMPOSITE,
    EXTRACT,
    FACTS,
    HEADS,
    OPENING,
    PLAYBACK,
    PURPOSE,
    README,
    RECORDING,
    SEAL,
    VAULT,
    Member,
    compose,
    facts_of,
    opening_of,
    vault_digests,
)
from records.chain import ExportedEntry, Json, SignedHead, canonical, head_holds
from records.clock import Clock
from records.database import Database
from records.extracts import heads_around, line_of
from records.journal_reading import segment_paths
from records.manifests import MANIFEST, SIGNATURE
from records.refusals import Refusal
from records.seals import make_seal
from records.session_keys import load_session_key
from records.signing import SigningKey
from records.timestamps import STAMP
from records.trail import TrailEntry
from records.vault import Vault
from sessions.handing_out import note_exported
from web.bundle_readme import readme
from web.composites import FILE
from web.retention import deleted_by
from web.settings import Settings

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Exporter:
    """What it takes to make bundles."""

    database: Database
    vault: Vault
    key: SigningKey
    settings: Settings
    clock: Clock

    async def export(self, actor: Actor, session_id: str, file: BinaryIO) -> str:
        """Write the bundle of a sealed hearing into `file`; return its name for the reader.

        Raises Refusal: evidence_deleted, as `note_exported`; VaultDamaged when what the trail speaks of is not there;
        OSError.
        """
        async with self.database.begin() as db:
            deleted = deleted_by(await trail.entries_of(db, session_id=session_id))
            if deleted.recordings or deleted.digests:
                raise Refusal("evidence_deleted")
            session, recording, playback = await note_exported(db, actor, session_id, clock=self.clock)
            number, directory = session.number, recording.directory
            played = [made.path for made in playback]
        async with self.database.read() as db:
            head = await trail.sign_head(db, self.key, clock=self.clock)
        await asyncio.to_thread(trail.append_head, self.settings.heads, head)
        async with self.database.read() as db:
            shown = await _concerned(db, session_id, up_to=head.sequence)
        needed = await asyncio.to_thread(self._heads, shown)
        async with self.database.read() as db:
            before = [one for one in needed if one.sequence < min(shown)]
            first = before[0].sequence + 1 if before else 1
            last = max(one.sequence for one in needed)
            entries = [
                entry.exported()
                for entry in await db.scalars(
                    select(TrailEntry).where(TrailEntry.sequence.between(first, last)).order_by(TrailEntry.sequence)
                )
            ]
        facts: dict[str, Json] = {
            "session": {"id": session_id, "number": number},
            "made_at": self.clock.now().isoformat(),
            "made_by": [actor.kind.value, actor.id, actor.name],
        }
        parts = _Parts(
            entries=entries,
            shown=[entry for entry in entries if entry.sequence in shown],
            heads=needed,
            directory=directory,
            played=played,
            number=number,
            session_id=session_id,
            facts=facts,
        )
        await asyncio.to_thread(self._write, file, parts)
        return f"{number}-证据包.zip"

    def _heads(self, shown: Collection[int]) -> list[SignedHead]:
        """Return the signed heads around the entries shown; of many thousands, only these are checked, if they hold."""
        heads = trail.read_heads(self.settings.heads)
        needed = heads_around(heads, min(shown), shown)
        if not all(head_holds(head, self.key.public) for head in needed):
            # Another key's, from before a change of keys, or damaged: only what holds is of use.
            holding = [head for head in heads if head_holds(head, self.key.public)]
            needed = heads_around(holding, min(shown), shown)
        return needed

    def _write(self, file: BinaryIO, parts: "_Parts") -> None:
        archive = ArchiveWriter(file)
        members = [_add(archive, name, pieces) for name, pieces in self._files(parts)]
        bundle = compose(members, facts=parts.facts, key_id=self.key.key_id)
        _add(archive, BUNDLE, [bundle])
        _add(archive, SEAL, [make_seal(PURPOSE, "bundle", bundle, self.key)])
        archive.finish()

    def _files(self, parts: "_Parts") -> Iterator[tuple[str, Iterable[bytes]]]:
        journal = self.settings.journals / parts.directory
        yield README, [readme(parts.number, self.key.key_id, parts.shown).encode()]
        yield FACTS, [facts_of(parts.shown)]
        stamp = [journal / STAMP] if (journal / STAMP).exists() else []
        for path in (journal / MANIFEST, journal / SIGNATURE, *stamp, *segment_paths(journal)):
            yield f"{RECORDING}/{path.name}", _pieces(path)
        key = load_session_key(journal, self.settings.master_keys)
        if key is not None:
            yield OPENING, [opening_of(key)]
        shelf = self.settings.shelf
        for played in sorted(parts.played):
            yield f"{PLAYBACK}/{Path(played).name}", _pieces_of(shelf.open(played))
        if shelf.holds(f"{parts.session_id}/{FILE}"):
            yield COMPOSITE, _pieces_of(shelf.open(f"{parts.session_id}/{FILE}"))
        numbers = {entry.sequence for entry in parts.shown}
        yield EXTRACT, (line_of(entry, shown=entry.sequence in numbers) for entry in parts.entries)
        yield HEADS, (canonical(_head(head)) + b"\n" for head in parts.heads)
        for digest in vault_digests(parts.shown):
            yield f"{VAULT}/{digest}", [self.vault.read(digest)]


@dataclass(frozen=True, slots=True)
class _Parts:
    entries: Sequence[ExportedEntry]
    shown: Sequence[ExportedEntry]
    heads: Sequence[SignedHead]
    directory: str
    played: Sequence[str]
    number: str
    session_id: str
    facts: dict[str, Json]


def _head(head: SignedHead) -> dict[str, Json]:
    return {
        "sequence": head.sequence,
        "digest": head.digest,
        "at_us": head.at_us,
        "key_id": head.key_id,
        "signature": head.signature,
    }


async def _concerned(db: AsyncSession, session_id: str, *, up_to: int) -> set[int]:
    """Return the numbers of the entries about a session, its case, its payments and their batches."""
    cases = select(CaseSession.case_id).where(CaseSession.session_id == session_id)
    orders = select(Order.id).where(Order.session_id == session_id)
    batches = select(Order.batch_id).where(Order.session_id == session_id)
    query = select(TrailEntry.sequence).where(
        TrailEntry.sequence <= up_to,
        or_(
            TrailEntry.session_id == session_id,
            # A case heard twice is told of this hearing's part only.
            TrailEntry.session_id.is_(None) & (TrailEntry.subject_kind == "case") & TrailEntry.subject_id.in_(cases),
            TrailEntry.session_id.is_(None) & (TrailEntry.subject_kind == "order") & TrailEntry.subject_id.in_(orders),
            (TrailEntry.subject_kind == "batch") & TrailEntry.subject_id.in_(batches),
        ),
    )
    return set(await db.scalars(query))


def _add(archive: ArchiveWriter, name: str, pieces: Iterable[bytes]) -> Member:
    running, size = hashlib.sha256(), 0
    with archive.member(name) as member:
        for piece in pieces:
            member.write(piece)
            running.update(piece)
            size += len(piece)
    return Member(name, size, running.hexdigest())


def _pieces(path: Path) -> Iterator[bytes]:
    return _pieces_of(path.open("rb"))


def _pieces_of(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def command_line_actor() -> Actor:
    """Return who acts when somebody types a command on the server: the machine knows that person's account name."""
    return system_actor(f"command-line/{getpass.getuser()}")

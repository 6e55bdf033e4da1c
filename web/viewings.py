"""Who looked at a recording and who took it away, as the trail has it, for the hearing's page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import ActorKind
from records.trail import TrailEntry
from web.composites import FILE
from web.trail_texts import said

SHOWN = 8
_EVENTS = ("RecordingPlayed", "RecordingDownloaded", "EvidenceExported")


@dataclass(frozen=True, slots=True)
class Viewing:
    """Somebody looked, or took something away."""

    at: datetime
    name: str
    said: str


async def viewings_of(db: AsyncSession, session_id: str, names: Mapping[str, str]) -> list[Viewing]:
    """Return the latest `SHOWN` of a hearing, newest first. `names`: of the people, by their seats."""
    query = select(TrailEntry).where(TrailEntry.session_id == session_id, TrailEntry.event.in_(_EVENTS))
    entries = await db.scalars(query.order_by(TrailEntry.sequence.desc()).limit(SHOWN))
    return [Viewing(entry.at, _name(entry), _said(entry, names)) for entry in entries]


def _name(entry: TrailEntry) -> str:
    return "管理员（命令行）" if entry.actor_kind == ActorKind.SYSTEM else entry.actor_name


def _said(entry: TrailEntry, names: Mapping[str, str]) -> str:
    file = json.loads(entry.details).get("file")
    if not isinstance(file, str):
        return said(entry.event)
    return "下载合成录像" if file == FILE else f"下载{names.get(file.partition('.')[0], '一位')}的录像"

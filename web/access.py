"""Who may call a route. Every route has exactly one of these; a test walks them all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from records.actors import Permission

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody, signed in or not."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Whoever proved to belong in an applicant's seat."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A signed-in member of staff whose role carries the permission; any member where it is None."""

    permission: Permission | None


@dataclass(frozen=True, slots=True)
class Anyone:
    """An applicant in a seat or a member of staff; the handler tells which."""


Access: TypeAlias = Public | Applicant | Staff | Anyone


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table."""

    method: str
    path: str
    handler: Handler
    access: Access

"""What lives as long as the server: opened in this order, closed in the reverse.

Each is an `aiohttp` cleanup context. A background loop that dies takes the server down with it, loudly, rather than
leaving a server that looks alive and no longer seals or signs.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from records import trail
from records.actors import system_actor
from records.database import Database
from records.outbox import Dispatcher
from records.personal import PersonalData
from records.signing import SigningKey
from sessions.proceedings import close_open_presence
from signaling.closing import CloseReason
from signaling.hub import Hub
from signaling.media.events import MediaSettings
from signaling.media.pool import MediaPool
from signaling.settings import HubSettings
from web.bridges import RecordedJournals, ports_for
from web.composites import LEASE_S, MAKE_COMPOSITE, Composer
from web.jobs import handlers_for, seal_what_waits
from web.keys import CLOCK, COMPOSER, DATABASE, HUB, MEDIA, OUTBOX, REMUXED_PERCENT, SETTINGS, SHELF, SIGNING_KEY, VAULT

log = logging.getLogger(__name__)

WITNESS_EVERY_S = 2.0


async def database_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Hold the connections to the database."""
    personal = PersonalData(bytes.fromhex(app[SETTINGS].personal_key.get_secret_value()))
    app[DATABASE] = Database(app[SETTINGS].database_url, personal=personal)
    yield
    await app[DATABASE].dispose()


async def vault_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Hold the vault and the office's signing key."""
    settings = app[SETTINGS]
    for directory in (settings.data_dir, settings.journals, settings.playback):
        directory.mkdir(parents=True, exist_ok=True)
    app[SIGNING_KEY] = SigningKey.load(settings.signing_key_file)
    app[VAULT] = settings.vault(app[SIGNING_KEY])
    app[SHELF] = settings.shelf
    await asyncio.to_thread(app[SHELF].sweep)
    app[SIGNING_KEY].public.save(settings.data_dir / "office-public.pem")
    yield


async def outbox_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Do what committed transactions asked for: seal recordings, make playback files and pictures of everybody."""
    app[REMUXED_PERCENT] = {}
    app[OUTBOX] = Dispatcher(app[DATABASE], handlers_for(app), clock=app[CLOCK])
    app[COMPOSER] = Composer(app[DATABASE], app[SETTINGS], app[SHELF], app[SIGNING_KEY], app[CLOCK])
    slow = Dispatcher(app[DATABASE], {MAKE_COMPOSITE: app[COMPOSER].make}, clock=app[CLOCK], at_once=1, lease_s=LEASE_S)
    await app[OUTBOX].reclaim()
    await seal_what_waits(app)
    async with asyncio.TaskGroup() as group:
        loops = [
            group.create_task(app[OUTBOX].run(), name="outbox"),
            group.create_task(slow.run(), name="composites"),
            group.create_task(_seal_leftovers(app), name="leftovers"),
        ]
        yield
        for loop in loops:
            loop.cancel()


async def _seal_leftovers(app: web.Application) -> None:
    """Encrypt playback files from before they were; until it comes by, they are served as they lie."""
    leftovers = app[SHELF].seal_leftovers(app[SIGNING_KEY])
    try:
        while (name := await asyncio.to_thread(next, leftovers, None)) is not None:
            log.info("encrypted at rest: %s", name)
    except OSError as error:
        log.error("playback files still lie in clear: %s", error)


async def witness_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Sign the trail's head whenever it has grown, into a file outside the database: a tail cut off shows."""
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(_sign_heads(app), name="witness")
        yield
        loop.cancel()
    await _sign_head(app, None)


async def _sign_heads(app: web.Application) -> None:
    last: int | None = None
    while True:
        try:
            last = await _sign_head(app, last)
        except (OSError, SQLAlchemyError) as error:
            # A disk that is full, most likely: what was not signed now is when there is space. Hearings go on.
            log.error("the trail's head was not signed: %s", type(error).__name__)
        await asyncio.sleep(WITNESS_EVERY_S)


async def _sign_head(app: web.Application, last: int | None) -> int | None:
    async with app[DATABASE].read() as db:
        head = await trail.sign_head(db, app[SIGNING_KEY], clock=app[CLOCK])
    if head.sequence in (0, last):
        return last
    await asyncio.to_thread(trail.append_head, app[SETTINGS].heads, head)
    return head.sequence


async def hearing_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Run the media plane and the hub of live hearings."""
    settings = app[SETTINGS]
    addresses = tuple(str(address) for address in settings.media_addresses)
    place = MediaSettings(addresses, settings.media_port, settings.recorder_memory_mib << 20)
    media = MediaPool(place, lambda event: hub.take_media_event(event), workers=settings.media_workers)
    journals = RecordedJournals(settings.journals, settings.master_keys, app[SIGNING_KEY])
    ports = ports_for(app[DATABASE], journals, app[CLOCK])
    hub = Hub(HubSettings(), media, ports, clock=app[CLOCK])
    async with app[DATABASE].begin() as db:
        # Whoever was there when the last server died is not there now; their seats are kept.
        await close_open_presence(db, system_actor("server"), clock=app[CLOCK])
    async with media, hub:
        app[MEDIA], app[HUB] = media, hub
        yield


async def drain_hub(app: web.Application) -> None:
    """Tell everybody in a hearing that the server restarts, before their sockets are cut (an `on_shutdown` signal)."""
    await app[HUB].drain(CloseReason.SERVER_RESTARTING)

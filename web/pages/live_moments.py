"""What the live pages' acts have in common: where the recording stands, and telling the other side."""

import logging
from collections.abc import Mapping

from aiohttp import web

from records.refusals import Refusal
from signaling.media.events import MediaRefused
from signaling.messages import Json
from web.keys import HUB

log = logging.getLogger(__name__)


def elapsed_now(request: web.Request, session_id: str) -> int:
    """Return the second of the recording, in milliseconds.

    Raises `Refusal("recording_not_running")`: what has to be provable later is not done off the record.
    """
    position = request.app[HUB].position(session_id)
    if position is None:
        raise Refusal("recording_not_running")
    return position.elapsed_ms


async def announce(request: web.Request, session_id: str, topic: str, event: Mapping[str, Json]) -> None:
    """Write a committed act into the recording too, and have both sides' pages reload the part called `topic`."""
    hub = request.app[HUB]
    try:
        await hub.record_event(session_id, event)
    except MediaRefused as refused:
        # The recording ended between the commit and now. The act stands on the trail, with its second.
        log.warning("act_not_in_journal session_id=%s code=%s", session_id, refused.code)
    await hub.tell(session_id, topic, {})

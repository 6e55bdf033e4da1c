"""The media worker in a process of its own, spoken to by JSON lines on its standard input and output.

In: `{"do": "open"|"add"|"answer"|"close", ...}`.
Out: `{"said": "ready"|"offer"|"connected"|"lost"|"trouble"|"closed", ...}`.
"""

import asyncio
import json
import sys
from pathlib import Path

from records.clock import SteadyClock
from records.journal import JournalWriter
from signaling.media.events import JournalTrouble, LinkConnected, LinkLost, MediaEvent, MediaSettings, OfferReady
from signaling.media.media_loop import MediaLoop
from signaling.media.worker import MediaWorker


def say(**message: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def on_event(event: MediaEvent) -> None:
    """Pass on what the load must know."""
    match event:
        case OfferReady():
            say(said="offer", hearing=event.hearing_id, seat=event.seat_id, offer_id=event.offer_id, sdp=event.sdp)
        case LinkConnected():
            say(said="connected", hearing=event.hearing_id, seat=event.seat_id)
        case LinkLost():
            say(said="lost", hearing=event.hearing_id, seat=event.seat_id, reason=event.reason)
        case JournalTrouble():
            say(said="trouble", hearing=event.hearing_id, error=event.error)


async def serve(directory: Path) -> None:
    """Serve until the input ends or asks to close."""
    worker = MediaWorker(MediaSettings(("127.0.0.1",), 0), on_event)
    await worker.start()
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say(said="ready", port=worker.port)
    while line := await reader.readline():
        order = json.loads(line)
        if order["do"] == "open":
            hearing = order["hearing"]
            await worker.open_hearing(hearing, JournalWriter.open(directory / hearing, hearing, clock=SteadyClock()))
        elif order["do"] == "add":
            await worker.add_participant(order["hearing"], order["seat"])
        elif order["do"] == "answer":
            await worker.take_answer(order["hearing"], order["seat"], order["offer_id"], order["sdp"])
        elif order["do"] == "close":
            break
    drops = dict(worker.drops)
    await worker.stop()
    say(said="closed", drops=drops)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=MediaLoop) as runner:
        runner.run(serve(Path(sys.argv[1])))

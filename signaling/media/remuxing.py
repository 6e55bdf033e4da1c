"""Makes playback files in a process of its own, with low priority: in the server's it would hold up live hearings."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from records.journal_reading import KeyedJournal
from signaling.media import playback
from signaling.media.playback import PlaybackFile

_SPAWN = multiprocessing.get_context("spawn")


class RemuxingStopped(Exception):
    """The process came to an end before the files were made: killed, or out of memory."""


def remux(
    journal: Path | KeyedJournal, output: Path, report: Callable[[int], object] = lambda percent: None
) -> list[PlaybackFile]:
    """Do what `playback.remux` does, elsewhere. Blocks, so call it in a thread; `report` is called in it.

    Raises what `playback.remux` raises, and RemuxingStopped.
    """
    receiving, sending = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_work, args=(sending, journal, output), name="remuxing", daemon=True)
    process.start()
    sending.close()
    try:
        with receiving:
            while isinstance(said := receiving.recv(), int):
                report(said)
    except EOFError as error:
        process.join()
        raise RemuxingStopped(process.exitcode) from error
    process.join()
    if isinstance(said, Exception):
        raise said
    files: list[PlaybackFile] = said
    return files


def _work(sending: "Connection[object, object]", journal: Path | KeyedJournal, output: Path) -> None:
    # Ctrl-C in the terminal reaches this process too; its work is begun anew by whoever asked for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.nice(10)
    try:
        sending.send(playback.remux(journal, output, sending.send))
    except BrokenPipeError:
        pass  # nobody waits for it any more
    except Exception as error:
        sending.send(error)

"""Makes the picture of everybody in a process of its own, with the lowest priority: `python -m web.composing`.

It reads one order from its input, says percentages on its output, a line each, and at last what it made; it ends by
itself when nobody listens any more. What lies in clear meanwhile has no name on the disk, and is gone with the process.
"""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from records.sealed_files import seal_file
from records.session_keys import SessionKey
from records.shelf import open_with_key
from signaling.media.composite import Hearing, Person, compose
from web.lettering import NotoLettering

DISK_FULL = 3
"""The exit status when the disk has no more room."""
_PIECE = 1 << 20


class Tiled(BaseModel):
    """Somebody with a tile, and the playback file on the shelf; none for who sent nothing."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str | None


class Order(BaseModel):
    """What is to be made of what. `private` and `public` are the halves of the session's key on the shelf."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    shelf: Path
    making: Path
    session_id: str
    private: bytes = Field(repr=False)
    public: bytes
    target: Path
    number: str
    started_at: datetime
    duration_ms: int
    gaps: tuple[tuple[int, int], ...]
    recesses: tuple[tuple[int, int], ...] = ()
    people: tuple[Tiled, ...]


class Made(BaseModel):
    """What was made: the SHA-256 of the MP4, and its size in bytes."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int


def carry_out(order: Order, report: Callable[[int], object]) -> Made:
    """Make the MP4 and seal it at its place. Raises OSError, SealedFileDamaged."""
    key = SessionKey(order.private)

    def opener(path: str) -> Callable[[], BinaryIO]:
        return partial(open_with_key, order.shelf, path, key)

    people = [Person(one.name, None if one.path is None else opener(one.path)) for one in order.people]
    hearing = Hearing(order.number, order.started_at, order.duration_ms, order.gaps, people, order.recesses)
    with tempfile.TemporaryFile(dir=order.making) as file:
        compose(hearing, f"/proc/self/fd/{file.fileno()}", NotoLettering(), report)
        running, size = hashlib.sha256(), 0
        file.seek(0)
        while piece := file.read(_PIECE):
            running.update(piece)
            size += len(piece)
        seal_file(file, order.target, order.public, order.session_id)
    return Made(sha256=running.hexdigest(), size=size)


def main() -> None:
    """Carry out the order that stands in the input."""
    os.nice(19)
    order = Order.model_validate_json(sys.stdin.buffer.read())
    try:
        made = carry_out(order, _say)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(DISK_FULL)
        raise
    _say(made.model_dump_json())


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Tells whether two playback files hold the same sounds and pictures, whatever wrote them.

Two remuxes of one journal differ in the container's random numbers and in the name of the program; what is heard and
seen, and when, is the same to the byte.
"""

import hashlib
from pathlib import Path

import av
from av.error import FFmpegError


class PlaybackUnreadable(Exception):
    """The file is no playback file; its name is the argument."""


def content_digest(path: Path) -> str:
    """Return the SHA-256 over every coded packet of a playback file: stream, time, keyframe or not, bytes.

    Raises PlaybackUnreadable.
    """
    running = hashlib.sha256()
    try:
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.pts is None:
                    continue
                head = f"{packet.stream.type} {packet.pts} {packet.time_base} {packet.is_keyframe} {packet.size}\n"
                running.update(head.encode())
                running.update(bytes(packet))
    except FFmpegError as error:
        raise PlaybackUnreadable(path.name) from error
    return running.hexdigest()

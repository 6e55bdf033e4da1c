"""Coded pictures of either codec, seen alike: the pieces that packets carry, and what a keyframe is."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from av.video.codeccontext import VideoCodecContext

from signaling.media import h264, rtp

_DECODERS: Mapping[str, Literal["vp8", "h264"]] = {"VP8": "vp8", "H264": "h264"}
"""The journal's name of a codec -> the decoder's."""
PIXELS_MAX = 4096 * 2304
"""More than any camera's; what claims more wants our memory."""


class Piece(NamedTuple):
    """One packet's part of a frame, ready to be joined with the frame's others.

    `begins`: a frame begins here; None when the piece does not say. `parameters` and `whole`: it holds what a decoder
    must know first, and a picture that needs no other; a frame with both is a keyframe (VP8 tells both in its first
    piece).
    """

    begins: bool | None
    parameters: bool
    whole: bool
    data: bytes


def read_piece(codec: str, payload: bytes) -> Piece | None:
    """Take a packet's payload apart, or return None when it is cut or of a codec that is no picture's."""
    if codec == "VP8":
        vp8 = rtp.read_vp8(payload)
        return None if vp8 is None else Piece(vp8.begins, vp8.keyframe, vp8.keyframe, vp8.data)
    if codec == "H264":
        part = h264.read_h264(payload)
        return None if part is None else Piece(part.parameters or None, part.parameters, part.idr, part.data)
    return None


def claimed_size(codec: str, frame: bytes) -> tuple[int, int] | None:
    """Return width and height as a frame, or its first piece, says; None when it does not say."""
    return rtp.vp8_size(frame) if codec == "VP8" else h264.h264_size(frame)


def size_of(codec: str, keyframe: bytes) -> tuple[int, int] | None:
    """Return width and height as a keyframe, or its first piece, says; None when it is none, or no camera's."""
    size = claimed_size(codec, keyframe)
    return size if size is not None and size[0] * size[1] <= PIXELS_MAX else None


def new_decoder(codec: str) -> VideoCodecContext:
    """Return a decoder that uses one thread, and that a few bytes cannot make ask for all memory."""
    decoder = VideoCodecContext.create(_DECODERS[codec], "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(PIXELS_MAX)}
    return decoder

"""Pictures of one codec made into the other's: for somebody whose camera changed its codec in mid-hearing.

A file's picture is all of one codec. Most of such a recording is remuxed as everybody's is; only the shorter part,
which came in the other codec, is decoded and coded again. What was sent stays in the journal, as it was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from signaling.media.assembling import Frame
from signaling.media.pictures import new_decoder

_ENCODERS: Mapping[str, tuple[Literal["libvpx", "libx264"], Mapping[str, str]]] = {
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "4", "lag-in-frames": "0", "auto-alt-ref": "0"}),
    "H264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "crf": "23"}),
}
BITS_PER_S_MAX = 2_000_000


class Recoder:
    """Codes one camera's pictures again. One thread, so that the same journal always gives the same file."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._encoder: VideoCodecContext | None = None
        self._decoder: VideoCodecContext | None = None
        self._from = ""

    def recode(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame in this recoder's codec; nothing when it cannot be decoded."""
        if self._decoder is None or self._from != frame.codec:
            self._decoder = new_decoder(frame.codec)
            self._from = frame.codec
        try:
            coded = [
                again
                for picture in self._decoder.decode(av.Packet(frame.data))
                for again in self._encode(picture, frame)
            ]
        except av.FFmpegError:
            return  # what a decoder cannot read nobody saw either
        yield from coded

    def black(self, size: tuple[int, int]) -> Frame:
        """Return a black picture for a recording's beginning."""
        picture = av.VideoFrame(*size, "yuv420p")
        for plane, shade in zip(picture.planes, (16, 128, 128), strict=True):
            plane.update(bytes((shade,)) * plane.buffer_size)
        (frame,) = self._encode(picture, Frame(self._codec, 0, b"", True))
        self._encoder = None
        return frame

    def _encode(self, picture: av.VideoFrame, frame: Frame) -> list[Frame]:
        # H.264 halves the lines of its colours: an odd one is left out.
        encoder = self._encoder_for(picture.width & ~1, picture.height & ~1)
        again = picture.reformat(encoder.width, encoder.height, format="yuv420p")
        again.pts = frame.at_us // 1000
        again.pict_type = PictureType.I if frame.keyframe else PictureType.NONE
        return [
            replace(frame, codec=self._codec, data=bytes(packet), keyframe=packet.is_keyframe)
            for packet in encoder.encode(again)
        ]

    def _encoder_for(self, width: int, height: int) -> VideoCodecContext:
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (width, height):
            name, options = _ENCODERS[self._codec]
            encoder = av.CodecContext.create(name, "w")
            encoder.thread_count = 1
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base = Fraction(1, 1000)
            encoder.bit_rate = BITS_PER_S_MAX
            encoder.options = dict(options)
            if self._codec == "H264":
                encoder.profile = "Baseline"
            self._encoder = encoder
        return encoder

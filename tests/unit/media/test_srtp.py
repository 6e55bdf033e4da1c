"""SRTP: what is protected comes out whole once, and nothing else comes out at all."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from signaling.media.srtp import PACKET_BYTES_MAX, Srtp, SrtpRefused


def pair() -> tuple[Srtp, Srtp]:
    """Return both ends of one direction, keyed alike."""
    key = os.urandom(28)
    ends = []
    for kind in (Policy.SSRC_ANY_OUTBOUND, Policy.SSRC_ANY_INBOUND):
        policy = Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
        policy.allow_repeat_tx = True
        policy.window_size = 1024
        ends.append(Srtp(Session(policy)))
    return ends[0], ends[1]


def packet(sequence: int, payload: bytes = b"piece") -> bytes:
    return struct.pack(">BBHII", 0x80, 96, sequence, 0, 42) + payload


def test_a_packet_comes_out_as_it_went_in_and_only_once() -> None:
    sender, receiver = pair()
    sent = sender.protect(packet(1))
    assert sent != packet(1)
    assert receiver.unprotect(sent) == packet(1)
    with pytest.raises(SrtpRefused, match="replay"):
        receiver.unprotect(sent)


def test_a_packet_sent_again_is_the_same_to_the_last_bit() -> None:
    sender, _ = pair()
    first = sender.protect(packet(1))
    sender.protect(packet(2))
    assert sender.protect(packet(1)) == first


def test_rtcp_goes_through_as_well() -> None:
    sender, receiver = pair()
    report = struct.pack(">BBHI", 0x80, 201, 1, 42)
    assert receiver.unprotect_rtcp(sender.protect_rtcp(report)) == report


def test_the_longest_datagram_fits_and_a_longer_one_is_refused() -> None:
    sender, _ = pair()
    assert len(sender.protect(packet(1, bytes(PACKET_BYTES_MAX - 12)))) == PACKET_BYTES_MAX + 16
    with pytest.raises(SrtpRefused):
        sender.protect(packet(2, bytes(PACKET_BYTES_MAX - 11)))


@given(flip=st.integers(0, 10_000), bit=st.integers(0, 7), noise=st.binary(max_size=100))
def test_nothing_that_was_touched_comes_out(flip: int, bit: int, noise: bytes) -> None:
    sender, receiver = pair()
    spoilt = bytearray(sender.protect(packet(1)))
    spoilt[flip % len(spoilt)] ^= 1 << bit
    for data in (bytes(spoilt), bytes(spoilt[: flip % len(spoilt)]), noise):
        with pytest.raises(SrtpRefused):
            receiver.unprotect(data)
        with pytest.raises(SrtpRefused):
            receiver.unprotect_rtcp(data)

"""Lines that lose, phones that move, servers that die, disks that stop: what still arrives and what is told."""

import errno
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from aioice.ice import StunProtocol
from aiortc import rtcrtpreceiver
from aiortc.rtp import RtpPacket, unwrap_rtx

from records.clock import SteadyClock
from records.journal import JournalError, JournalFault, JournalWriter, read_journal
from signaling.media import recorder
from signaling.media.codecs import OPUS, VP8
from signaling.media.events import (
    JournalFlushed,
    JournalMended,
    JournalTrouble,
    LinkLost,
    MediaRefused,
    StatsMeasured,
)
from signaling.media.link import Link
from signaling.media.playback import remux
from signaling.media.rtp import is_rtcp, read_head
from tests.integration.media.peers import HEARING, MovingPicture, Peer, Plane, lose, open_plane, video_numbers


def every(count: int) -> Callable[[bytes], bool]:
    """Choose every `count`-th media packet to be lost."""
    seen = Counter[str]()

    def lost(data: bytes) -> bool:
        if not 127 < data[0] < 192 or is_rtcp(data):
            return False
        seen["media"] += 1
        return seen["media"] % count == 0

    return lost


def worst_loss_pct(plane: Plane, *seats: str) -> float:
    """Return the highest loss told so far of somebody's line, or of one of these seats'."""
    figures = [event.people for event in plane.events if isinstance(event, StatsMeasured)]
    told = [line.loss_pct for people in figures for seat, line in people.items() if not seats or seat in seats]
    return max(told, default=0.0)


async def see_each_other(plane: Plane, one: Peer, other: Peer) -> bool:
    """Wait until two see each other: whatever is lost of a stream before it begins is missed by nobody."""
    for peer, far in ((one, other), (other, one)):
        await plane.until(lambda peer=peer, far=far: len(peer.pictures.get(far.seat_id, [])) > 2, "they see each other")
    return True


async def test_a_lossy_uplink_is_mended_and_the_journal_has_every_packet(
    way: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = way
    lost = every(10)
    dropped = []

    def loses(data: bytes) -> bool:
        if lost(data):
            dropped.append(data)
            return True
        return False

    lose(monkeypatch, up=loses)
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 60, "host sees applicant")
        # Both speak in step, so that it may be nearly always the same one of them who loses.
        await plane.until(lambda: worst_loss_pct(plane) > 3, "the loss is told")
        lose(monkeypatch, up=lambda data: False)
        await plane.until_nothing_is_missing()
    await plane.worker.close_hearing(HEARING)
    assert len(dropped) > 10
    numbers = video_numbers(plane.directory, "applicant")
    assert max(numbers) - min(numbers) < 1000
    assert set(range(min(numbers), max(numbers))) - numbers == set()


async def test_what_comes_after_all_once_it_was_sent_again_goes_to_nobody_a_second_time(
    way: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = way
    late = every(5)
    held: list[tuple[StunProtocol, bytes, tuple[str, int]]] = []
    went = Counter[tuple[int, int]]()
    send = StunProtocol.send_data

    async def hold_back(self: StunProtocol, data: bytes, address: tuple[str, int]) -> None:
        if data[1] & 0x7F != VP8 or not late(data):
            await send(self, data, address)
            return
        held.append((self, data, address))
        if len(held) > 3:
            await send(*held.pop(0))

    def watch(data: bytes) -> bool:
        head = read_head(data) if 127 < data[0] < 192 and not is_rtcp(data) else None
        if head is not None:
            went[head.ssrc, head.sequence] += 1
        return False

    lose(monkeypatch, down=watch)
    monkeypatch.setattr(StunProtocol, "send_data", hold_back)
    async with Peer(plane, "host", camera=False) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: plane.worker.drops["rtp_again"] > 3, "packets came after all, too late")
        host.pictures.clear()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host sees applicant")
    assert set(went.values()) == {1}


async def test_a_lossy_downlink_is_mended_by_repair_packets_of_the_relays_own(
    way: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 4588."""
    plane = way
    lost = every(5)
    dropped: set[tuple[int, int]] = set()
    mended: set[tuple[int, int]] = set()
    contents: dict[tuple[int, int], set[bytes]] = {}
    types: dict[int, set[int]] = {}
    losing = False

    def loses(data: bytes) -> bool:
        if not 127 < data[0] < 192 or is_rtcp(data):
            return False
        head = read_head(data)
        assert head is not None
        contents.setdefault((head.ssrc, head.sequence), set()).add(data)
        types.setdefault(head.ssrc, set()).add(head.payload_type)
        if losing and head.payload_type == VP8 and lost(data):
            dropped.add((head.ssrc, head.sequence))
            return True
        return False

    def unwrap(packet: RtpPacket, payload_type: int, ssrc: int) -> RtpPacket:
        original = unwrap_rtx(packet, payload_type, ssrc)
        mended.add((original.ssrc, original.sequence_number))
        return original

    lose(monkeypatch, down=loses)
    monkeypatch.setattr(rtcrtpreceiver, "unwrap_rtx", unwrap)
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        losing = await see_each_other(plane, host, applicant)
        await plane.until(lambda: len(dropped) > 10, "enough is lost")
        # That the host's line loses is told to everybody, and no reason for the applicant to send less: it was mended.
        await plane.until(lambda: worst_loss_pct(plane, "host") > 3, "the loss is told")
        assert applicant.pc is not None
        camera = next(one for one in applicant.pc.getSenders() if isinstance(one.track, MovingPicture))
        told = [each for each in (await camera.getStats()).values() if each.type == "remote-inbound-rtp"]
        assert [each.packetsLost for each in told] == [0]
        losing = False
        await plane.until(lambda: mended == dropped, "all that was lost came again")
    assert sorted(types.values(), key=min) == [{VP8}, {VP8}, {VP8 + 1}, {VP8 + 1}, {OPUS}, {OPUS}]
    # No SRTP index has two contents: GCM would be broken.
    assert {len(each) for each in contents.values()} == {1}


async def test_who_takes_no_repair_packets_gets_what_was_lost_as_it_was(
    way: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = way
    lost = every(5)
    dropped: set[tuple[int, int]] = set()
    came: dict[tuple[int, int], list[bytes]] = {}
    losing = False

    def loses(data: bytes) -> bool:
        head = read_head(data) if 127 < data[0] < 192 and not is_rtcp(data) else None
        if head is None:
            return False
        index = (head.ssrc, head.sequence)
        came.setdefault(index, []).append(data)
        if losing and head.payload_type == VP8 and came[index] == [data] and lost(data):
            dropped.add(index)
            return True
        return False

    lose(monkeypatch, down=loses)
    async with (
        Peer(plane, "host", shade=60, repairs=False) as host,
        Peer(plane, "applicant", shade=180, repairs=False) as applicant,
    ):
        await host.join()
        await applicant.join()
        losing = await see_each_other(plane, host, applicant)
        await plane.until(lambda: len(dropped) > 10, "enough is lost")
        losing = False
        await plane.until(lambda: all(len(came[index]) > 1 for index in dropped), "all that was lost came again")
    # What is sent again is the same to the last bit: no SRTP index with two contents.
    assert {len(set(each)) for each in came.values()} == {1}


async def test_hostile_datagrams_change_nothing_for_those_in_the_hearing(plane: Plane) -> None:
    async with Peer(plane, "host") as host, Peer(plane, "applicant") as applicant:
        await host.join()
        await applicant.join()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for index in range(500):
                kind = (b"\x80", b"\x16", b"\x00", b"\xff")[index % 4]
                stranger.sendto(kind + os.urandom(index % 1400), ("127.0.0.1", plane.worker.port))
                if index % 50 == 49:  # more at once might not fit the port's buffer
                    await plane.until(lambda sent=index: sum(plane.worker.drops.values()) > sent, "counted")
        host.pictures.clear()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host still sees applicant")
        assert plane.of_kind(LinkLost) == []


async def test_whoever_says_nothing_any_more_is_told_as_lost(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Peer(plane, "host") as host:
        await host.join()
        monkeypatch.setattr(Link, "overdue", lambda self, at: "silent")
        await plane.until(lambda: plane.of_kind(LinkLost, "host"), "link lost")
        monkeypatch.undo()
        await host.join()


async def test_after_a_restart_the_recording_goes_on_and_plays_as_one(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    ends = []
    for _ in range(2):
        plane = await open_plane(directory)
        async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
            await host.join()
            await applicant.join()
            await plane.until(lambda: len(host.pictures.get("applicant", [])) > 30, "host sees applicant")
            await plane.until(lambda: host.sounds.get("applicant", 0) > 30, "host hears applicant")
        ended_at = plane.worker.position(HEARING)
        assert ended_at is not None
        ends.append(ended_at.elapsed_ms / 1000)
        await plane.worker.stop()
    files = {made.seat_id: made for made in remux(directory, tmp_path / "playback")}
    assert set(files) == {"host", "applicant"}
    with av.open(str(files["applicant"].path)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - ends[1]) < 1
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert sum(time < ends[0] for time in times) > 25
    assert sum(time > ends[0] for time in times) > 25
    assert not any(isinstance(record, JournalFault) for record in read_journal(directory))


async def test_a_disk_that_refuses_is_told_and_nothing_is_lost_when_it_comes_back(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SLOW_S", 60.0)  # only full, however slow this machine is
    async with Peer(plane, "host") as host:
        await host.join()
        await plane.until(lambda: plane.of_kind(JournalFlushed), "saved once")

        def refuse(fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as disk:
            disk.setattr(os, "write", refuse)
            await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
            with pytest.raises(MediaRefused, match="disk_full"):
                await plane.worker.record_again(HEARING)
        await plane.worker.record_again(HEARING)
        assert [event.lost for event in plane.events if isinstance(event, JournalMended)] == [None]
    assert {event.error for event in plane.events if isinstance(event, JournalTrouble)} == {"disk_full"}
    await plane.worker.close_hearing(HEARING)
    assert not any(isinstance(record, JournalFault) for record in read_journal(plane.directory))


async def test_a_disk_that_hangs_is_told_and_the_relay_goes_on(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    back = threading.Event()
    flush = JournalWriter.flush

    def hang(self: JournalWriter) -> int:
        back.wait(30)
        return flush(self)

    monkeypatch.setattr(JournalWriter, "flush", hang)
    try:
        async with Peer(plane, "host") as host, Peer(plane, "applicant") as applicant:
            await host.join()
            await applicant.join()
            await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
            host.pictures.clear()
            await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host still sees applicant")
    finally:
        back.set()
    assert {event.error for event in plane.events if isinstance(event, JournalTrouble)} == {"disk_slow"}
    await plane.worker.record_again(HEARING)
    assert plane.of_kind(JournalMended)


async def test_figures_are_told_every_second(plane: Plane) -> None:
    async with Peer(plane, "host") as host, Peer(plane, "applicant") as applicant:
        await host.join()
        await applicant.join()

        def measured() -> bool:
            latest = plane.of_kind(StatsMeasured)[-1:]
            return any(
                isinstance(event, StatsMeasured)
                and event.people["host"].kbps > 50
                and event.people["host"].rtt_ms is not None
                and event.people["host"].loss_pct < 1
                for event in latest
            )

        await plane.until(measured, "figures with rate and round trip")


async def test_a_second_life_cannot_write_into_a_journal_that_is_open(plane: Plane) -> None:
    with pytest.raises(JournalError):
        JournalWriter.open(plane.directory, HEARING, clock=SteadyClock())

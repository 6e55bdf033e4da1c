"""Playback files made in a process of its own: the same files, how far it is, and what becomes of a broken one."""

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from records.clock import FixedClock
from signaling.media import playback
from signaling.media.remuxing import RemuxingStopped, remux
from tests.support.sealed import write_journal

SEGMENTS = 2


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    write_journal(directory, "h", "gao", FixedClock(datetime(2026, 11, 25, 10, 0, tzinfo=UTC)))
    return directory


def packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux()]


def test_the_files_are_the_same_as_those_made_here(journal: Path, tmp_path: Path) -> None:
    percents: list[int] = []
    (there,) = remux(journal, tmp_path / "there", percents.append)
    (here,) = playback.remux(journal, tmp_path / "here")
    assert packets(there.path) == packets(here.path) != []
    assert percents == [0, 25, 50, 75], "each segment is read twice"


def test_what_goes_wrong_there_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remux(tmp_path / "nothing", tmp_path / "there")


def test_a_process_that_is_killed_is_told(journal: Path, tmp_path: Path) -> None:
    os.mkfifo(journal / f"segment-{SEGMENTS + 1:06}.jfj")  # nobody writes into it: there its reading ends

    def kill(percent: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(RemuxingStopped):
        remux(journal, tmp_path / "there", kill)

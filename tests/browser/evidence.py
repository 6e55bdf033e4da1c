"""What a stranger checks of a finished demonstration: recording, books, proof; and how one breaks it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from sqlalchemy import select

from aid import ledger
from aid.tables import Entry, Fund
from records.database import Database
from records.manifests import survey
from records.personal import PersonalData
from records.shelf import SEALED, Shelf
from tests.browser.apart import run_apart
from tests.browser.server import ROOT, Server
from web.composites import FILE
from web.settings import demo_settings
from web.verify import verify_installation


def verify(server: Server) -> subprocess.CompletedProcess[str]:
    """Run `jiefang verify` on the demonstration's data."""
    command = [sys.executable, "-m", "web", "verify", "--var", str(server.var)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def is_whole(server: Server) -> bool:
    """Ask the verifier the same without starting a process for it."""
    return run_apart(verify_installation(server.var, None)).whole


def shelf_of(server: Server) -> Shelf:
    """Return what is derived from the demonstration's recordings, with the key to it."""
    return demo_settings(server.var, port=0, media_port=0, addresses=("127.0.0.1",), tls=False).shelf


def played_files(server: Server) -> list[str]:
    """Return the names of the playback files on the shelf."""
    root = server.var / "data" / "playback"
    found = [path.relative_to(root).as_posix().removesuffix(SEALED) for path in root.glob(f"*/*{SEALED}")]
    return sorted(path for path in found if not path.endswith(FILE))


def check_recording(server: Server) -> None:
    """The playback files hold both people's picture and sound, as long as the recording, within a second."""
    directory = next((server.var / "data" / "journals").iterdir())
    true_s = survey(directory).duration_ms / 1000
    shelf = shelf_of(server)
    files = played_files(server)
    assert len(files) == 2
    for path in files:
        with shelf.open(path) as file, av.open(file, "r") as container:
            assert {stream.type for stream in container.streams} == {"audio", "video"}
            ends = {stream.type: 0.0 for stream in container.streams}
            pictures = 0
            for packet in container.demux():
                if packet.pts is None:
                    continue
                ends[packet.stream.type] = max(ends[packet.stream.type], float(packet.pts * packet.time_base))
            assert all(abs(end - true_s) < 1 for end in ends.values()), (ends, true_s)
            container.seek(0)
            for frame in container.decode(video=0):
                pictures += 1
                if pictures == 1:
                    assert frame.to_ndarray(format="gray").std() > 10, "a picture of something"
            assert pictures > 5 * true_s


def check_books(server: Server) -> None:
    """Everything that moved sums to zero, and the audit finds nothing."""

    async def look() -> None:
        url = f"sqlite+aiosqlite:///{server.var / 'jiefang.sqlite'}"
        database = Database(url, personal=PersonalData(bytes(32)))
        async with database.read() as db:
            fund_id = (await db.scalars(select(Fund.id))).one()
            balances = await ledger.balances(db, fund_id)
            entries = list(await db.scalars(select(Entry)))
        await database.dispose()
        assert balances.paid == 20_000_00
        assert balances.appropriated == balances.available + balances.reserved + balances.in_flight + balances.paid
        net: dict[str, int] = {}
        for entry in entries:
            net[entry.from_account] = net.get(entry.from_account, 0) - entry.amount_fen
            net[entry.to_account] = net.get(entry.to_account, 0) + entry.amount_fen
        assert sum(net.values()) == 0
        assert net["paid"] == balances.paid
        assert net["available"] == balances.available

    run_apart(look())


def touchable(server: Server) -> list[Path]:
    """Return one file of every kind that the proof stands on."""
    data = server.var / "data"
    recording = next((data / "journals").iterdir())
    vault = [path for path in (data / "vault").rglob("*") if path.is_file()]
    segments = sorted(recording.glob("segment-*"))
    return [
        segments[0],
        segments[-1],
        recording / "manifest.json",
        recording / "manifest.sig",
        data / "heads.jsonl",
        *vault,
    ]


@contextmanager
def one_byte_flipped(path: Path) -> Iterator[None]:
    """Change one byte in the middle of a file, and put it back afterwards."""
    kept = path.read_bytes()
    middle = len(kept) // 2
    path.write_bytes(kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :])
    try:
        yield
    finally:
        path.write_bytes(kept)

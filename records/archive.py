"""One file of many: a ZIP archive (APPNOTE 6.3.10) of which every single byte follows from what it holds.

Nothing is compressed, no times or attributes are kept, members stand in the order given. So a reader can compute what
each byte between the members must be, and a change in the wrapping is found like one in the content. Any ZIP program
opens it. Sizes and offsets always stand in ZIP64 fields: one form for every size.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_UTF8 = 0x0800
_DATE = 0x21  # 1980-01-01, the format's first day: no time is told
_MODE = 0o100644 << 16
_UNIX = 3 << 8
_FULL32 = 0xFFFFFFFF
_FULL16 = 0xFFFF
_PIECE = 1 << 20


class ArchiveUnreadable(Exception):
    """The file is not an archive as `ArchiveWriter` makes them; `position` is the byte where that shows."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    size: int
    crc: int
    offset: int


class ArchiveWriter:
    """Writes members one after the other into a file that can be written anywhere."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: list[_Member] = []

    @contextmanager
    def member(self, name: str) -> Iterator["MemberWriter"]:
        """Write one member in pieces."""
        offset = self._file.tell()
        encoded = name.encode()
        self._file.write(_local(_Member(encoded, 0, 0, offset)))
        writer = MemberWriter(self._file)
        yield writer
        member = _Member(encoded, writer.size, writer.crc, offset)
        self._file.seek(offset)
        self._file.write(_local(member))
        self._file.seek(0, 2)
        self._members.append(member)

    def finish(self) -> None:
        """Write the directory at the end."""
        self._file.write(_directory(self._members, self._file.tell()))


class MemberWriter:
    """Takes the bytes of one member."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.crc = 0

    def write(self, data: bytes) -> None:
        """Add a piece."""
        self._file.write(data)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)


class MemberReader:
    """One member; read it through before asking for the next."""

    def __init__(self, file: BinaryIO, name: str, size: int, stated_crc: int) -> None:
        self._file = file
        self.name = name
        self.size = size
        self._stated_crc = stated_crc
        self._crc = 0

    @property
    def intact(self) -> bool:
        """Tell whether what was read through agrees with its checksum."""
        return self._crc == self._stated_crc

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes. Raises ArchiveUnreadable when the file ends before."""
        left = self.size
        while left:
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise ArchiveUnreadable(self._file.tell())
            left -= len(piece)
            self._crc = zlib.crc32(piece, self._crc)
            yield piece


def read_archive(file: BinaryIO) -> Iterator[MemberReader]:
    """Yield the members in their order, and hold every byte between them against what it must be.

    Raises ArchiveUnreadable, also at the end, when the directory is not exactly what follows from the members. A
    member whose bytes differ from its checksum is not refused here: whoever reads it has better digests, and can say
    which member it was; `MemberReader.crc` is what the bytes give, and the directory must agree with the header.
    """
    members: list[_Member] = []
    while True:
        offset = file.tell()
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
            break
        fields = _LOCAL.unpack(head)
        rest = file.read(fields[9] + fields[10])
        if len(rest) != fields[9] + fields[10] or fields[10] != 20:
            raise ArchiveUnreadable(offset)
        name = rest[: fields[9]]
        (size,) = struct.unpack_from("<Q", rest, fields[9] + 4)
        member = _Member(name, size, fields[6], offset)
        if _local(member) != head + rest:
            raise ArchiveUnreadable(offset)
        try:
            reader = MemberReader(file, name.decode(), size, member.crc)
        except UnicodeDecodeError:
            raise ArchiveUnreadable(offset) from None
        yield reader
        if file.tell() != offset + len(head) + len(rest) + size:
            raise ArchiveUnreadable(offset)
        members.append(member)
    file.seek(offset)
    expected = _directory(members, offset)
    if file.read(len(expected) + 1) != expected:
        raise ArchiveUnreadable(offset)


def _local(member: _Member) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.size)
    head = _LOCAL.pack(0x04034B50, 45, _UTF8, 0, 0, _DATE, member.crc, _FULL32, _FULL32, len(member.name), len(extra))
    return head + member.name + extra


def _central(member: _Member) -> bytes:
    extra = struct.pack("<HHQQQ", 1, 24, member.size, member.size, member.offset)
    head = _CENTRAL.pack(
        0x02014B50,
        _UNIX | 45,
        45,
        _UTF8,
        0,
        0,
        _DATE,
        member.crc,
        _FULL32,
        _FULL32,
        len(member.name),
        len(extra),
        0,
        0,
        0,
        _MODE,
        _FULL32,
    )
    return head + member.name + extra


def _directory(members: list[_Member], offset: int) -> bytes:
    entries = b"".join(map(_central, members))
    count, size = len(members), len(entries)
    end64 = _END64.pack(0x06064B50, 44, _UNIX | 45, 45, 0, 0, count, count, size, offset)
    locator = _LOCATOR64.pack(0x07064B50, 0, offset + size, 1)
    end = _END.pack(0x06054B50, 0, 0, _FULL16, _FULL16, _FULL32, _FULL32, 0)
    return entries + end64 + locator + end


def write_archive(path: Path, members: list[tuple[str, bytes]]) -> None:
    """Write a whole archive from memory."""
    with path.open("wb") as file:
        writer = ArchiveWriter(file)
        for name, data in members:
            with writer.member(name) as member:
                member.write(data)
        writer.finish()

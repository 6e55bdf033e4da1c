"""Makes hostile bytes out of honest ones: from a seed of its own, so that every run can be had again."""

import random
from collections.abc import Callable, Sequence

LENGTHS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF)
BYTES_MAX = 4096


class Mutator:
    """Changes bytes. Not cryptographic, and reproducible."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._ways: Sequence[Callable[[bytearray], None]] = (
            self._flip_bit,
            self._set_byte,
            self._write_number,
            self._add_a_little,
            self._insert,
            self._delete,
            self._double,
            self._cut,
            self._swap,
        )

    def one_of(self, seeds: Sequence[bytes]) -> bytes:
        """Return one of the seeds, changed once or several times; now and then two of them joined, or mere noise."""
        dice = self.dice
        chance = dice.random()
        if chance < 0.02:
            return dice.randbytes(dice.randrange(80))
        data = bytearray(dice.choice(seeds))
        if chance < 0.12:
            other = dice.choice(seeds)
            data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]
        return self.changed(bytes(data))

    def changed(self, data: bytes) -> bytes:
        """Return something else, or by chance the same."""
        changed = bytearray(data)
        for _ in range(self.dice.choice((1, 1, 1, 2, 2, 3, 5, 9))):
            self.dice.choice(self._ways)(changed)
        return bytes(changed[:BYTES_MAX]) if len(changed) > max(BYTES_MAX, 2 * len(data)) else bytes(changed)

    def _at(self, data: bytearray) -> int:
        # Heads decide what becomes of a packet: half of all changes are there.
        return self.dice.randrange(min(len(data), 32) if self.dice.random() < 0.5 else len(data))

    def _flip_bit(self, data: bytearray) -> None:
        if data:
            data[self._at(data)] ^= 1 << self.dice.randrange(8)

    def _set_byte(self, data: bytearray) -> None:
        if data:
            data[self._at(data)] = self.dice.choice((0, 1, 0x7F, 0x80, 0xFF, self.dice.randrange(256)))

    def _write_number(self, data: bytearray) -> None:
        if data:
            at, size = self._at(data), self.dice.choice((2, 2, 4, 8))
            number = self.dice.choice((self.dice.choice(LENGTHS), len(data), self.dice.getrandbits(8 * size), -1))
            data[at : at + size] = (number & (1 << 8 * size) - 1).to_bytes(size, "big")

    def _add_a_little(self, data: bytearray) -> None:
        if len(data) >= 2:
            at = self.dice.randrange(len(data) - 1)
            number = int.from_bytes(data[at : at + 2], "big") + self.dice.randrange(-4, 5)
            data[at : at + 2] = (number & 0xFFFF).to_bytes(2, "big")

    def _insert(self, data: bytearray) -> None:
        at = self.dice.randrange(len(data) + 1)
        data[at:at] = self.dice.choice((bytes(4), b"\xff" * 4, self.dice.randbytes(self.dice.randrange(1, 9))))

    def _delete(self, data: bytearray) -> None:
        if data:
            at = self._at(data)
            del data[at : at + self.dice.choice((1, 2, 4, 8, 32))]

    def _double(self, data: bytearray) -> None:
        if data:
            at = self._at(data)
            piece = data[at : at + self.dice.choice((1, 4, 16, 64, 256))]
            data[at:at] = piece * self.dice.choice((1, 1, 1, 8))

    def _cut(self, data: bytearray) -> None:
        if data and self.dice.random() < 0.5:
            del data[self.dice.randrange(len(data)) :]

    def _swap(self, data: bytearray) -> None:
        if len(data) > 8:
            one, other = sorted(self.dice.randrange(len(data) - 4) for _ in range(2))
            data[one : one + 4], data[other : other + 4] = data[other : other + 4], data[one : one + 4]

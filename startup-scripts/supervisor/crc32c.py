"""CRC32C (Castagnoli) in plain Python, for the few objects that have no MD5."""

from __future__ import annotations


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data: bytes, before: int = 0) -> int:
    """The checksum of `data` after bytes whose checksum is `before`."""
    value = before ^ 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF

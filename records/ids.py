"""Identifiers: opaque, unguessable, and never reused."""

import uuid


def new_id() -> str:
    """Return a fresh identifier of 32 hexadecimal characters (RFC 9562, version 4)."""
    return uuid.uuid4().hex

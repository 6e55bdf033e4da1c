"""What each event on the trail means, in words. A test demands a sentence for every event that is recorded anywhere."""

TEXTS: dict[str, str] = {
    "RequestRefused": "被系统拒绝",
    "StaffSignedIn": "登录",
}


def said(event: str) -> str:
    """Return the words for an event."""
    return TEXTS[event]

"""How often one address, device or name may try a thing."""

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from records.refusals import Refusal

SIGN_IN = parse("8 per 10 minutes")
INVITATION = parse("30 per 10 minutes")
WRITE = parse("240 per minute")
SOCKET = parse("60 per minute")


class Limits:
    """Counts tries in memory: one process serves the pages, and a restart forgiving everybody is harmless."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def spend(self, limit: RateLimitItem, *who: str) -> None:
        """Count one try of `who`; raise `Refusal("too_often")` when there were too many."""
        if not await self._limiter.hit(limit, *who):
            raise Refusal("too_often")

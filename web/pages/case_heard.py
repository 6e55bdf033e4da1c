"""The aid case that a hearing is about, if it is about one: many hearings are about no payment."""

from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import AidCase, case_of_session
from records.refusals import Refusal


async def case_heard(db: AsyncSession, session_id: str) -> AidCase | None:
    """Return the case linked to a session, or None."""
    try:
        return await case_of_session(db, session_id)
    except Refusal as refusal:
        if refusal.code != "no_case_for_session":
            raise
        return None

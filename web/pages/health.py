"""For whoever watches over the server."""

from aiohttp import web
from sqlalchemy import text

from records import outbox
from web.keys import DATABASE


async def show_health(request: web.Request) -> web.StreamResponse:
    """GET /healthz: 200 while the database answers and no background job has failed for good."""
    async with request.app[DATABASE].read() as db:
        await db.execute(text("SELECT 1"))
        jobs = await outbox.counts(db)
    status = 503 if jobs.failed else 200
    return web.json_response(
        {"database": "ok", "jobs_waiting": jobs.waiting, "jobs_failed": jobs.failed}, status=status
    )

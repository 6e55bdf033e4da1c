"""For whoever watches over the server."""

from aiohttp import web
from sqlalchemy import text

from records import outbox
from web.keys import DATABASE, MEDIA


async def show_health(request: web.Request) -> web.StreamResponse:
    """GET /healthz: 200 while the database answers, a media worker runs, and no background job has failed for good."""
    async with request.app[DATABASE].read() as db:
        await db.execute(text("SELECT 1"))
        jobs = await outbox.counts(db)
    workers = len(request.app[MEDIA].workers)
    status = 503 if jobs.failed or not workers else 200
    seen = {"database": "ok", "media_workers": workers, "jobs_waiting": jobs.waiting, "jobs_failed": jobs.failed}
    return web.json_response(seen, status=status)

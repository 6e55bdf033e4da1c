"""How anybody can check for themselves."""

from aiohttp import web

from web.keys import SETTINGS, SIGNING_KEY
from web.rendering import render


async def show_how_to_verify(request: web.Request) -> web.StreamResponse:
    """GET /verify."""
    return render(request, "staff/verify.html", key_id=request.app[SIGNING_KEY].key_id)


async def send_public_key(request: web.Request) -> web.StreamResponse:
    """GET /verify/office-public.pem."""
    response = web.FileResponse(request.app[SETTINGS].data_dir / "office-public.pem")
    response.headers["Content-Disposition"] = 'attachment; filename="office-public.pem"'
    return response

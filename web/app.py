"""The composition root: the one place where the parts of the house are put together."""

from pathlib import Path

from aiohttp import web

from records.clock import Clock
from web import lifetimes, middleware
from web.keys import CLOCK, LIMITS, SETTINGS, TEMPLATES
from web.limits import Limits
from web.rendering import make_templates
from web.routes import ROUTES
from web.settings import Settings
from web.simulations import simulations_lifetime

BODY_LIMIT = 4 * 1024 * 1024
STATIC = Path(__file__).parent / "static"


def make_app(settings: Settings, *, clock: Clock) -> web.Application:
    """Return the application, wired but not started."""
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[middleware.know_device, middleware.answer_refusals, middleware.know_person],
    )
    app[SETTINGS] = settings
    app[CLOCK] = clock
    app[TEMPLATES] = make_templates()
    app[LIMITS] = Limits()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, middleware.guard(route.access)(route.handler))
    app.router.add_static("/static", STATIC)
    app.on_response_prepare.append(middleware.set_headers)
    app.cleanup_ctx.extend(
        [
            lifetimes.database_lifetime,
            lifetimes.vault_lifetime,
            lifetimes.outbox_lifetime,
            lifetimes.witness_lifetime,
            lifetimes.hearing_lifetime,
            simulations_lifetime,
        ]
    )
    app.on_shutdown.append(lifetimes.drain_hub)
    return app

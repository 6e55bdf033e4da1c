"""The typed keys under which the application and a request carry what was wired for them."""

from aiohttp import web
from jinja2 import Environment

from records.actors import Actor
from records.clock import Clock
from records.database import Database
from records.outbox import Dispatcher
from records.shelf import Shelf
from records.signing import SigningKey
from records.vault import Vault
from signaling.hub import Hub
from signaling.media.pool import MediaPool
from web.accounts.logins import CurrentApplicant, CurrentStaff
from web.composites import Composer
from web.limits import Limits
from web.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
DATABASE = web.AppKey("database", Database)
CLOCK: web.AppKey[Clock] = web.AppKey("clock", Clock)
VAULT = web.AppKey("vault", Vault)
SHELF = web.AppKey("shelf", Shelf)
SIGNING_KEY = web.AppKey("signing_key", SigningKey)
MEDIA = web.AppKey("media", MediaPool)
HUB = web.AppKey("hub", Hub)
OUTBOX = web.AppKey("outbox", Dispatcher)
COMPOSER = web.AppKey("composer", Composer)
REMUXED_PERCENT: web.AppKey[dict[str, int]] = web.AppKey("remuxed_percent", dict)
"""How far the playback files are that are being made, by session."""
TEMPLATES = web.AppKey("templates", Environment)
LIMITS = web.AppKey("limits", Limits)

STAFF = web.RequestKey("staff", CurrentStaff)
APPLICANT = web.RequestKey("applicant", CurrentApplicant)
ACTING = web.RequestKey("acting", Actor)
DEVICE = web.RequestKey("device", str)
ADDRESS = web.RequestKey("address", str)

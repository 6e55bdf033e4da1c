"""The offices' own day. All of China keeps one time, UTC+8, without summer time."""

from datetime import UTC, date, datetime, time, timedelta, timezone

OFFICE_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")


def office_date(instant: datetime) -> date:
    """Return the date at the offices at an instant."""
    return instant.astimezone(OFFICE_ZONE).date()


def day_begins_at(on: date) -> datetime:
    """Return the instant at which a date begins at the offices, in UTC."""
    return datetime.combine(on, time(), OFFICE_ZONE).astimezone(UTC)


def day_bounds(on: date) -> tuple[datetime, datetime]:
    """Return the instants at which a date begins and at which the next one does."""
    return day_begins_at(on), day_begins_at(on + timedelta(days=1))

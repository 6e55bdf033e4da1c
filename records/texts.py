"""What people type, made fit to keep: trimmed, bounded, free of control characters."""

import unicodedata

from records.refusals import Refusal

_ALLOWED_CONTROLS = frozenset("\n\t")


def clean_text(text: str, field: str, *, limit: int, required: bool = True) -> str:
    """Return the text trimmed, with line ends as `\\n`.

    Raises Refusal: `text_missing(field)` when nothing is left of a required text, `text_too_long(field, limit)`,
    `text_unreadable(field)` for control characters (PostgreSQL keeps no NUL) and lone surrogates (not UTF-8).
    """
    cleaned = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if required and not cleaned:
        raise Refusal("text_missing", field=field)
    if len(cleaned) > limit:
        raise Refusal("text_too_long", field=field, limit=limit)
    if any(_unreadable(character) for character in cleaned):
        raise Refusal("text_unreadable", field=field)
    return cleaned


def length_of_time(span_ms: int) -> str:
    """Return a length of time in words: below a minute to the tenth of a second, and never none."""
    if span_ms < 60_000:
        return f"{max(1, round(span_ms / 100)) / 10:g} 秒"
    minutes, seconds = divmod(round(span_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} 小时 " * bool(hours) + f"{minutes} 分 {seconds} 秒"


def _unreadable(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} and character not in _ALLOWED_CONTROLS

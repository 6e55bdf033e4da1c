"""What people type into a case: one line or several, with nothing in it that a bank file or a voucher cannot carry."""

import unicodedata

from records.refusals import Refusal
from records.texts import clean_text


def line(field: str, text: str, limit: int, *, required: bool = True) -> str:
    """Return `text` on one line, its white space as single spaces, up to `limit` characters.

    Raises `text_missing`, `text_too_long` or `text_unreadable` (control characters, lone surrogates), naming `field`.
    """
    return clean_text(
        " ".join(passage(field, text, limit, required=required).split()), field, limit=limit, required=False
    )


def passage(field: str, text: str, limit: int, *, required: bool = True) -> str:
    """Return `text` trimmed, its line ends as \\n, up to `limit` characters. Refusals as for `line`."""
    # Before anything is done to it, so that a huge text costs nothing.
    if len(text) > limit * 4:
        raise Refusal("text_too_long", field=field, limit=limit)
    return clean_text(text, field, limit=limit, required=required)


def same_name(one: str, other: str) -> bool:
    """Tell whether two spellings of a person's name are the same but for width, spaces and the middle dot's form."""
    return _plain_name(one) == _plain_name(other)


def _plain_name(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).translate({ord(dot): "·" for dot in "•・‧∙⋅"})
    return "".join(folded.split()).casefold()

"""Reading the applicant's pages as a browser's scripts do: the form, the token, the data block, the sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_TYPED = frozenset({"text", "tel", "search", "password", "number"})


@dataclass(slots=True)
class Form:
    """A form: where it goes, its hidden fields, its buttons' values by name, the fields to be typed into."""

    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)


class PageReader(HTMLParser):
    """What a page says. Read it with ``feed``; broken markup is read as far as it goes, as browsers do."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.csrf_token = ""
        self.forms: list[Form] = []
        self.data: dict[str, str] = {}
        """Text of each ``<script type="application/json">`` by id."""
        self.sentences: list[str] = []
        """Headings and notices, in the order of the page."""
        self._script = ""
        self._saying: list[str] = []
        self._notice = ""
        """The tag of the notice being read, ``p`` or ``div``; its depth counts tags of that name."""
        self._notice_depth = 0
        self._heading = False

    @classmethod
    def read(cls, html: str) -> PageReader:
        """Read a whole page."""
        reader = cls()
        reader.feed(html)
        reader.close()
        return reader

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag in."""
        have = {name: value or "" for name, value in attrs}
        if tag == "meta" and have.get("name") == "csrf-token":
            self.csrf_token = have.get("content", "")
        elif tag == "form":
            self.forms.append(Form(have.get("action", "")))
        elif tag in ("input", "button") and self.forms:
            self._take_field(tag, have)
        elif tag == "script":
            self._script = have.get("id", "") if have.get("type") == "application/json" else ""
        elif tag == "h1":
            self._heading, self._saying = True, []
        if self._notice_depth:
            self._notice_depth += tag == self._notice
        elif have.get("role") in ("alert", "status") and "hidden" not in have:
            self._notice, self._notice_depth, self._saying = tag, 1, []

    def _take_field(self, tag: str, have: dict[str, str]) -> None:
        form, name = self.forms[-1], have.get("name", "")
        if not name:
            return
        if tag == "button" or have.get("type") == "submit":
            form.buttons[name] = have.get("value", "")
        elif have.get("type") == "hidden":
            form.hidden[name] = have.get("value", "")
        elif have.get("type", "text") in _TYPED:
            form.typed.append(name)

    def handle_endtag(self, tag: str) -> None:
        """Take the end of a tag in."""
        if tag == "script":
            self._script = ""
        elif tag == "h1" and self._heading:
            self._heading = False
            self._finish_sentence()
        elif self._notice_depth and tag == self._notice:
            self._notice_depth -= 1
            if not self._notice_depth:
                self._finish_sentence()

    def handle_data(self, data: str) -> None:
        """Take text in."""
        if self._script:
            self.data[self._script] = self.data.get(self._script, "") + data
        elif self._heading or self._notice_depth:
            self._saying.append(data)

    def _finish_sentence(self) -> None:
        said = " ".join("".join(self._saying).split())
        if said:
            self.sentences.append(said)

"""Print the table of settings for docs/operations.md; a test holds the two equal."""

from pydantic_core import PydanticUndefined

from web.settings import PREFIX, Settings


def table() -> str:
    """Return a Markdown table of every setting."""
    lines = ["| variable | meaning | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.default is PydanticUndefined else f"`{_shown(field.default)}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {field.description} | {default} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return "" if value is None else str(value)


if __name__ == "__main__":
    print(table())

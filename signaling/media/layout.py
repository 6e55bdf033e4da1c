"""Where everything stands in the picture of everybody; all of it on even pixels, as 4:2:0 pictures need."""

from dataclasses import dataclass

GAP = 8
STRIP = 44
"""How high the line below is, with the number and the time code."""
LABEL = 36
"""How high the line under each picture is, with the name."""
PEOPLE_MAX = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Tile:
    """One person's place: the picture, and the name under it."""

    picture: Box
    label: Box


def tiles(count: int, width: int, height: int) -> list[Tile]:
    """Return the places of up to `PEOPLE_MAX` people in a picture of this size, row by row."""
    columns = 1 if count <= 1 else 2 if count <= 4 else 3 if count <= 6 else 4
    rows = max(1, -(-count // columns))
    cell_width = (width - GAP * (columns + 1)) // columns // 2 * 2
    cell_height = (height - STRIP - GAP * (rows + 1)) // rows // 2 * 2
    # Not higher than 4:3, so that names stand close to pictures.
    picture_height = min(cell_height - LABEL, cell_width * 3 // 4) // 2 * 2
    above = (cell_height - picture_height - LABEL) // 4 * 2
    places = []
    for index in range(count):
        row, column = divmod(index, columns)
        in_row = min(columns, count - row * columns)
        # A row that is not full stands in the middle.
        left = (width - in_row * cell_width - (in_row - 1) * GAP) // 4 * 2
        x = left + column * (cell_width + GAP)
        y = GAP + row * (cell_height + GAP) + above
        picture = Box(x, y, cell_width, picture_height)
        places.append(Tile(picture, Box(x, y + picture_height, cell_width, LABEL)))
    return places


def strip(width: int, height: int) -> Box:
    """Return the place of the line below."""
    return Box(0, height - STRIP, width, STRIP)


def fit(width: int, height: int, into: Box) -> Box:
    """Return where a picture of this size stands in a box: as large as it can be, whole and in the middle."""
    scale = min(into.width / width, into.height / height)
    wide = max(2, min(into.width, round(width * scale)) // 2 * 2)
    high = max(2, min(into.height, round(height * scale)) // 2 * 2)
    return Box(into.x + (into.width - wide) // 4 * 2, into.y + (into.height - high) // 4 * 2, wide, high)

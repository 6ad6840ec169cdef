"""One colour per person, the same in videos and on the page."""

from __future__ import annotations

import colorsys

# Bright and far apart, on dark and light ground; the first persons of most runs get these.
_FIRST = (
    (46, 134, 255), (255, 140, 0), (24, 178, 86), (224, 54, 150), (150, 92, 246), (0, 176, 190),
    (226, 64, 52), (172, 152, 0), (140, 98, 57), (96, 108, 230), (90, 170, 20), (236, 112, 140),
)  # fmt: skip
GREY = (150, 150, 150)
_GOLDEN = 0.618033988749895  # steps of the golden ratio keep any number of hues apart


def colour(person: int) -> tuple[int, int, int]:
    """Red, green and blue of a person, 0 to 255; grey for 0, the undecided."""
    if person <= 0:
        return GREY
    if person <= len(_FIRST):
        return _FIRST[person - 1]
    step = person - len(_FIRST)
    lightness = (0.5, 0.62, 0.42)[step % 3]
    red, green, blue = colorsys.hls_to_rgb((0.08 + step * _GOLDEN) % 1.0, lightness, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def hexadecimal(person: int) -> str:
    """The colour as #rrggbb."""
    return '#{:02x}{:02x}{:02x}'.format(*colour(person))


def ink(person: int) -> tuple[int, int, int]:
    """Black or white, whichever is read better on the person's colour."""
    red, green, blue = colour(person)
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)

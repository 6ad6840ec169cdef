"""What someone wears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

Colour = tuple[int, int, int]
"""BGR, 0 to 255, in even light."""

HairStyle = Literal['short', 'long', 'bob', 'bun', 'curly', 'bald']
HatKind = Literal['none', 'cap', 'beanie', 'brim']
UpperKind = Literal['t-shirt', 'shirt', 'jumper', 'hoodie', 'jacket', 'coat', 'dress']
LowerKind = Literal['trousers', 'jeans', 'leggings', 'shorts', 'skirt']
Pattern = Literal['plain', 'rings', 'stripes', 'check', 'block', 'logo']
ShoeKind = Literal['trainers', 'leather', 'boots']
BagKind = Literal['none', 'backpack', 'shoulder bag', 'handbag']
Choice = TypeVar('Choice', bound=str)

# Shares follow the order in which Market-1501 and DukeMTMC (attributes of Lin et al. 2019,
# "Improving person re-identification by attribute and identity learning") and RAP (Li et al. 2016)
# count colours of clothes: black far ahead, then white, grey and blue above, blue (jeans) and grey
# below, everything else rare. The numbers are ours, between the summer and the winter set.
UPPER_SHARES: Mapping[str, float] = {
    'black': 0.31, 'grey': 0.16, 'blue': 0.18, 'white': 0.15, 'red': 0.06, 'brown': 0.05,
    'green': 0.04, 'yellow': 0.02, 'purple': 0.015, 'pink': 0.015,
}  # fmt: skip
LOWER_SHARES: Mapping[str, float] = {
    'black': 0.40, 'blue': 0.30, 'grey': 0.14, 'brown': 0.08, 'white': 0.04, 'green': 0.02,
    'red': 0.01, 'pink': 0.01,
}  # fmt: skip
TONES: Mapping[str, Sequence[Colour]] = {
    'black': ((34, 32, 31), (43, 38, 37), (38, 38, 42)),
    'grey': ((98, 97, 95), (132, 130, 128), (72, 70, 68), (160, 158, 156)),
    'blue': ((72, 46, 33), (96, 62, 40), (130, 84, 52), (168, 122, 84), (150, 80, 40)),
    'white': ((218, 220, 222), (205, 212, 216), (226, 222, 216)),
    'red': ((48, 40, 158), (42, 30, 110), (62, 54, 186)),
    'brown': ((70, 92, 120), (46, 62, 86), (128, 156, 182)),
    'green': ((62, 84, 52), (60, 78, 70), (92, 128, 66)),
    'yellow': ((64, 176, 214), (96, 196, 220)),
    'purple': ((112, 58, 92), (140, 90, 120)),
    'pink': ((168, 150, 214), (150, 120, 206)),
}
JEANS: Sequence[Colour] = ((88, 58, 40), (112, 78, 54), (138, 104, 76), (70, 46, 34))
# Six steps from light to dark, after Fitzpatrick's types, as BGR under white light.
SKINS: Sequence[Colour] = (
    (178, 198, 232), (152, 180, 220), (126, 158, 204), (96, 132, 182), (62, 92, 140), (44, 62, 98),
)  # fmt: skip
HAIRS: Sequence[tuple[Colour, float]] = (
    ((26, 24, 26), 0.46), ((34, 42, 58), 0.27), ((52, 78, 112), 0.12), ((104, 150, 190), 0.07),
    ((150, 150, 152), 0.06), ((44, 66, 132), 0.02),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Garment:
    """One piece of clothing above or below the waist.

    Attributes:
        kind: what it is, an UpperKind or a LowerKind.
        colour: its name in the palette; 'bare' where legs wear nothing.
        bgr: the tone.
        pattern: what is printed or woven on it; rings run around the body, stripes along it.
        second: the tone of the pattern.
        limb: how far it reaches along arm or leg: 0 = shoulder or hip, 1 = elbow or knee,
            2 = wrist or ankle. A skirt's is how far it hangs.
        loose: metres between it and the body.
    """

    kind: str
    colour: str
    bgr: Colour
    pattern: Pattern
    second: Colour
    limb: float
    loose: float


@dataclass(frozen=True, slots=True)
class Outfit:
    """Everything about a person's looks that is not the body's shape.

    Attributes:
        skin, hair: tones.
        hair_style: kept, as skin and hair are, when the clothes change.
        hat, hat_bgr: what is on the head.
        upper, lower: garments.
        hem: how far the upper garment hangs: 0 = hip, 1 = knee, 2 = ankle.
        inner: tone of what is under an open jacket and at the collar.
        is_open: whether jacket or coat are open in front.
        shoes, shoe_bgr: on the feet.
        bag, bag_bgr: carried.
        scarf: its tone, None = none.
        glasses, gloves: worn or not.
        grain: seed of folds and wear, so that two people in the same clothes are not equal to
            the pixel.
    """

    skin: Colour
    hair: Colour
    hair_style: HairStyle
    hat: HatKind
    hat_bgr: Colour
    upper: Garment
    lower: Garment
    hem: float
    inner: Colour
    is_open: bool
    shoes: ShoeKind
    shoe_bgr: Colour
    bag: BagKind
    bag_bgr: Colour
    scarf: Colour | None
    glasses: bool
    gloves: bool
    grain: int


def draw(rng: np.random.Generator) -> Outfit:
    """Someone's looks, from the palette."""
    skin = _near(SKINS[_pick(rng, (0.16, 0.24, 0.24, 0.16, 0.12, 0.08))], rng, 0.05)
    hair = _near(HAIRS[_pick(rng, [share for _, share in HAIRS])][0], rng, 0.12)
    shares: dict[HairStyle, float]
    shares = {'short': 0.5, 'long': 0.19, 'bob': 0.1, 'bun': 0.08, 'curly': 0.06, 'bald': 0.07}
    style = _among(shares, rng)
    return _dressed(skin, hair, style, rng)


def change(outfit: Outfit, rng: np.random.Generator) -> Outfit:
    """The same person, skin and hair, in other clothes: another colour above or below."""
    while True:
        other = _dressed(outfit.skin, outfit.hair, outfit.hair_style, rng)
        before = (outfit.upper.colour, outfit.lower.colour)
        if (other.upper.colour, other.lower.colour) != before:
            return replace(other, glasses=outfit.glasses)


def with_bag(outfit: Outfit, rng: np.random.Generator, kind: BagKind | None = None) -> Outfit:
    """The same clothes and a bag of that kind, or of a drawn one."""
    shares: dict[BagKind, float] = {'backpack': 0.5, 'shoulder bag': 0.3, 'handbag': 0.2}
    bag = _among(shares, rng) if kind is None else kind
    return replace(outfit, bag=bag, bag_bgr=_tone(UPPER_SHARES, rng)[1])


def with_coat(outfit: Outfit, rng: np.random.Generator) -> Outfit:
    """The same person with a coat over the clothes; trousers and shoes stay."""
    colour, bgr = _tone({**LOWER_SHARES, 'blue': 0.16}, rng)
    coat = Garment('coat', colour, bgr, 'plain', bgr, 1.97, 0.024)
    is_open = bool(rng.random() < 0.4)
    hem = float(rng.uniform(0.6, 1.15))
    return replace(outfit, upper=coat, hem=hem, inner=outfit.upper.bgr, is_open=is_open)


def _dressed(skin: Colour, hair: Colour, style: HairStyle, rng: np.random.Generator) -> Outfit:
    feminine = style in ('long', 'bob', 'bun')
    upper, hem = _upper(feminine, rng)
    lower = _lower(feminine, upper.kind == 'dress', skin, rng)
    warm = upper.kind in ('jacket', 'coat')
    hat: HatKind = _among(
        {'none': 0.82, 'cap': 0.1, 'beanie': 0.06 if warm else 0.01, 'brim': 0.02}, rng
    )
    shoes: ShoeKind = _among({'trainers': 0.5, 'leather': 0.35, 'boots': 0.15}, rng)
    bag: BagKind = _among(
        {'none': 0.58, 'backpack': 0.22, 'shoulder bag': 0.12, 'handbag': 0.08 * (1 + feminine)},
        rng,
    )
    shoe_shares = {'black': 0.5, 'brown': 0.16, 'white': 0.18, 'grey': 0.1, 'blue': 0.06}
    if shoes != 'trainers':
        shoe_shares = {'black': 0.7, 'brown': 0.3}
    return Outfit(
        skin=skin,
        hair=hair,
        hair_style=style,
        hat=hat,
        hat_bgr=_tone(UPPER_SHARES, rng)[1],
        upper=upper,
        lower=lower,
        hem=hem,
        inner=_tone({'white': 0.4, 'grey': 0.2, 'black': 0.2, 'blue': 0.14, 'red': 0.06}, rng)[1],
        is_open=bool(warm and rng.random() < 0.45),
        shoes=shoes,
        shoe_bgr=_tone(shoe_shares, rng)[1],
        bag=bag,
        bag_bgr=_tone(LOWER_SHARES, rng)[1],
        scarf=_tone(UPPER_SHARES, rng)[1] if warm and rng.random() < 0.2 else None,
        glasses=bool(rng.random() < 0.25),
        gloves=bool(warm and rng.random() < 0.12),
        grain=int(rng.integers(1 << 31)),
    )


def _upper(feminine: bool, rng: np.random.Generator) -> tuple[Garment, float]:
    kind: UpperKind = _among(
        {
            't-shirt': 0.3, 'shirt': 0.12, 'jumper': 0.17, 'hoodie': 0.09, 'jacket': 0.2,
            'coat': 0.07, 'dress': 0.12 if feminine else 0.0,
        },
        rng,
    )  # fmt: skip
    colour, bgr = _tone(UPPER_SHARES, rng)
    shares: dict[Pattern, float]
    shares = {'plain': 0.62, 'rings': 0.09, 'stripes': 0.04, 'check': 0.06, 'block': 0.08}
    shares['logo'] = 0.14 if kind in ('t-shirt', 'hoodie') else 0.0
    if kind in ('coat', 'jacket', 'dress'):
        shares = {'plain': 0.86, 'block': 0.09, 'check': 0.05}
    pattern: Pattern = _among(shares, rng)
    second = bgr
    while second == bgr:
        name, second = _tone({**UPPER_SHARES, 'white': 0.35}, rng)
        second = bgr if name == colour else second
    short = kind == 't-shirt' or (kind in ('shirt', 'dress') and rng.random() < 0.45)
    limb = float(rng.uniform(0.45, 0.75)) if short else 1.97
    hems = {'coat': (0.55, 1.15), 'dress': (0.75, 1.35), 'jacket': (0.08, 0.25)}
    low, high = hems.get(kind, (0.06, 0.24))
    loose = {'t-shirt': 0.012, 'dress': 0.01, 'jacket': 0.024, 'coat': 0.026, 'hoodie': 0.022}
    width = loose.get(kind, 0.015) * float(rng.uniform(0.7, 1.3))
    return Garment(kind, colour, bgr, pattern, second, limb, width), float(rng.uniform(low, high))


def _lower(feminine: bool, dress: bool, skin: Colour, rng: np.random.Generator) -> Garment:
    shares: dict[LowerKind, float]
    shares = {'trousers': 0.84, 'leggings': 0.01, 'shorts': 0.14, 'skirt': 0.0}
    if feminine:
        shares = {
            'trousers': 0.63, 'leggings': 0.13, 'shorts': 0.08, 'skirt': 0.16,
        }  # fmt: skip
    if dress:
        shares = {'leggings': 1.0}
    kind: LowerKind = _among(shares, rng)
    colour, bgr = _tone(LOWER_SHARES, rng)
    if kind == 'trousers':
        # Blue trousers are mostly jeans, black ones are as often as not, others hardly ever.
        denim = {'blue': 0.8, 'black': 0.4}.get(colour, 0.0)
        kind = 'jeans' if rng.random() < denim else 'trousers'
        if kind == 'jeans' and colour == 'blue':
            bgr = _near(JEANS[int(rng.integers(len(JEANS)))], rng, 0.1)
    if dress and rng.random() < 0.5:
        colour, bgr = 'bare', skin
    limb = {'shorts': float(rng.uniform(0.6, 1.0)), 'skirt': float(rng.uniform(0.6, 1.4))}
    loose = {'trousers': 0.016, 'jeans': 0.011, 'leggings': 0.001, 'shorts': 0.026, 'skirt': 0.02}
    width = loose[kind] * float(rng.uniform(0.7, 1.4))
    return Garment(kind, colour, bgr, 'plain', bgr, limb.get(kind, 1.95), width)


def _pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    ends = np.cumsum(np.asarray(shares, np.float64))
    return int(np.searchsorted(ends, rng.random() * ends[-1], side='right'))


def _among(shares: Mapping[Choice, float], rng: np.random.Generator) -> Choice:
    return list(shares)[_pick(rng, list(shares.values()))]


def _tone(shares: Mapping[str, float], rng: np.random.Generator) -> tuple[str, Colour]:
    name = _among(shares, rng)
    tones = TONES[name]
    return name, _near(tones[int(rng.integers(len(tones)))], rng, 0.08)


def _near(bgr: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """A tone that few would call another colour: brighter or darker, a little off in hue."""
    step = spread * (rng.uniform(-1, 1) + 0.25 * rng.uniform(-1, 1, 3))
    tone = np.asarray(bgr) + step * np.maximum(bgr, 60)
    b, g, r = np.clip(np.rint(tone), 0, 255).astype(int).tolist()
    return b, g, r

"""A contact sheet: one person who was looked for, and the tracks that look like them."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reid_ros.report.files import whole
from reid_ros.report.style import CSS, SHEET
from reid_ros.report.timeline import clock
from reid_ros.types import FloatArray, Frame, UInt8Array

HEIGHT = 240  # pixels of a picture
AROUND = 0.06  # of the box's height, shown on every side of it
QUALITY = 85


@dataclass(frozen=True, slots=True)
class Hit:
    """One track that may be the person.

    Attributes:
        camera, place: which camera saw it, and the file or topic behind that.
        track: number within the camera.
        start_ns: stamp of the camera's first frame.
        first_ns, last_ns: stamps of the track's first and last sighting.
        frames: how many show it.
        best_ns, index: stamp and number of the frame of the best view.
        box: x0 y0 x1 y1 in that frame, pixels.
        vectors: how many views were compared.
        cosine: of the query's vector and the track's.
        score: probability 0 to 1 that it is the person, with one such among all tracks.
        strangers: share of strangers that look at least as much like them.
        sure: whether so few do that it may be taken for the person.
        jpeg: the best view.
    """

    camera: str
    place: str
    track: int
    start_ns: int
    first_ns: int
    last_ns: int
    frames: int
    best_ns: int
    index: int
    box: tuple[float, float, float, float]
    vectors: int
    cosine: float
    score: float
    strangers: float
    sure: bool
    jpeg: bytes

    @property
    def span(self) -> str:
        """From when to when, counted from the camera's first frame."""
        stamps = self.first_ns, self.last_ns
        first, last = (clock((ns - self.start_ns) / 1e9, fine=True) for ns in stamps)
        return first if first == last else f'{first} to {last}'

    def as_json(self, rank: int) -> dict[str, Any]:
        """Everything but the picture; times also as seconds from the camera's first frame."""
        return {
            'rank': rank, 'score': round(self.score, 4), 'sure': self.sure,
            'strangers': float(f'{self.strangers:.3g}'), 'cosine': round(self.cosine, 4),
            'camera': self.camera, 'source': self.place, 'track': self.track,
            'first_s': round((self.first_ns - self.start_ns) / 1e9, 3),
            'last_s': round((self.last_ns - self.start_ns) / 1e9, 3),
            'first_ns': self.first_ns, 'last_ns': self.last_ns, 'frames': self.frames,
            'vectors': self.vectors,
            'best': {
                'stamp_ns': self.best_ns, 'index': self.index,
                'box': [round(float(v), 1) for v in self.box],
            },
        }  # fmt: skip


def crop(frame: Frame, box: FloatArray) -> bytes:
    """The box with a little around it as JPEG, as high as the sheet shows it; b'' where empty."""
    height, width = frame.image.shape[:2]
    margin = AROUND * float(box[3] - box[1])
    low = np.clip(np.floor(box[:2] - margin), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(box[2:] + margin), 0, [width, height]).astype(int)
    image: UInt8Array = frame.image[low[1] : high[1], low[0] : high[0]]
    if not image.size:
        return b''
    scale = HEIGHT / image.shape[0]
    wide = int(np.clip(round(image.shape[1] * scale), 1, 3 * HEIGHT))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, (wide, HEIGHT), interpolation=way)
    if frame.order == 'rgb':
        small = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    fine, jpeg = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes() if fine else b''


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked for, and in what.

    Attributes:
        name: the file of the query.
        jpeg: the person in it.
        notes: what a reader should know about the query and the sources.
        tracks: how many were compared.
        unseen: tracks of which no view was good enough to be compared.
        frames, cameras: how many were looked through.
        facts: what ran.
        stopped: why it ended early, '' where it did not.
    """

    name: str
    jpeg: bytes
    notes: Sequence[str]
    tracks: int
    unseen: int
    frames: int
    cameras: int
    facts: Mapping[str, str]
    stopped: str = ''


def write(path: Path, looked: Looked, hits: Sequence[Hit]) -> None:
    """Write the sheet, a page that needs nothing but itself; hits best first.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as file:
        file.write(_HEAD.format(css=CSS + SHEET, title=html.escape(looked.name)))
        file.write(_header(looked, hits))
        sure = [(rank, hit) for rank, hit in enumerate(hits, 1) if hit.sure]
        others = [(rank, hit) for rank, hit in enumerate(hits, 1) if not hit.sure]
        nobody = 'Nobody surely; the likeliest come first below.' if hits else 'No track was seen.'
        file.write(_group('Taken for the person', sure, nobody))
        if others:
            file.write(_group('Not sure, or somebody else', others, ''))
        ran = ''.join(
            f'<dt>{html.escape(name.replace("_", " "))}</dt><dd>{html.escape(value)}</dd>'
            for name, value in looked.facts.items()
        )
        file.write(f'<section><h2>What looked</h2><dl>{ran}</dl></section>')
        file.write('</main></body></html>\n')


def _header(looked: Looked, hits: Sequence[Hit]) -> str:
    tiles = [
        (str(sum(hit.sure for hit in hits)), 'sure hits'),
        (str(looked.tracks), 'tracks compared'),
        (str(looked.cameras), 'camera' if looked.cameras == 1 else 'cameras'),
        (f'{looked.frames:,}'.replace(',', ' '), 'frames'),
    ]
    if looked.unseen:
        tiles.insert(2, (str(looked.unseen), 'tracks too poor to compare'))
    boxes = ''.join(f'<div><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    notes = [*looked.notes, *([f'Stopped early: {looked.stopped}.'] if looked.stopped else [])]
    told = ''.join(f'<p class="warn">{html.escape(note)}</p>' for note in notes)
    return (
        f'<header><h1>Who looks like this</h1><div class="query">{_picture(looked.jpeg)}'
        f'<div><p class="quiet">{html.escape(looked.name)}</p>'
        f'<div class="tiles">{boxes}</div>{told}</div></div></header><main>'
    )


def _group(title: str, hits: Sequence[tuple[int, Hit]], nobody: str) -> str:
    cards = ''.join(_card(rank, hit) for rank, hit in hits)
    inside = f'<div class="sheet">{cards}</div>' if hits else f'<p class="quiet">{nobody}</p>'
    return f'<section><h2>{title} <small>{len(hits)}</small></h2>{inside}</section>'


def _card(rank: int, hit: Hit) -> str:
    tip = f'{hit.place}, track {hit.track}, frame {hit.index}, cosine {hit.cosine:.2f}'
    return (
        f'<figure title="{html.escape(tip)}">{_picture(hit.jpeg)}<figcaption><b>{rank}</b>'
        f'<span class="meter"><span style="width:{100 * hit.score:.0f}%"></span></span>'
        f'<em>{percent(hit.score)}</em><br>{html.escape(hit.camera)}<br>{hit.span}</figcaption>'
        '</figure>'
    )


def percent(score: float) -> str:
    """A probability for people; never 100 %."""
    if score >= 0.995:
        return '&gt; 99 %'
    return '&lt; 1 %' if score < 0.005 else f'{100 * score:.0f} %'


def _picture(jpeg: bytes) -> str:
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Who looks like {title}</title>
<style>{css}</style></head><body>
"""

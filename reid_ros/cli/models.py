"""`reid_ros models list|describe|check|pull`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reid_ros.cli.building import building
from reid_ros.types import ReidError, UInt8Array

if TYPE_CHECKING:
    from reid_ros.card import Card


def add(verbs: Any) -> None:
    """Add the verb and its parts."""
    models = verbs.add_parser('models', help='the networks: list, describe, check, pull')
    parts = models.add_subparsers(dest='part', required=True, metavar='PART')

    part = parts.add_parser('list', help='every known card, and whether its file is here')
    part.add_argument('--kind', default='', help='only this kind: detector, appearance, ...')
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_list)

    part = parts.add_parser('describe', help='a card in words')
    part.add_argument('model', help='name of a card, an .onnx file or a .json card')
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_describe)

    part = parts.add_parser('check', help='run a network and say what does not fit its card')
    part.add_argument('model', help='name of a card, or an .onnx file')
    part.add_argument('--card', default='', help='card to compare with, if not the usual one')
    part.add_argument('--image', default='', help='picture to run on; without, a drawn one')
    part.add_argument(
        '--backend', default='auto', help='auto, tensorrt, ort_tensorrt, ort_cuda or cpu'
    )
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_check)

    part = parts.add_parser('pull', help='download a network')
    part.add_argument('name', nargs='?', default='', help='name of a card')
    part.add_argument('--url', default='', help="address of the file, instead of the card's")
    part.add_argument('--sha256', default='', help="checksum it must have, instead of the card's")
    part.add_argument(
        '--no-verify', action='store_true', help='take a file whose checksum nobody knows'
    )
    part.add_argument('--to', default='', help='folder; without, the cache')
    part.set_defaults(call=_pull)


def _list(args: argparse.Namespace) -> int:
    from reid_ros.card import KINDS, CardError, cards, onnx_of

    if args.kind and args.kind not in KINDS:
        raise CardError(f'no kind {args.kind!r}: choose {", ".join(KINDS)}')
    chosen = [(card, onnx_of(card)) for card in cards() if args.kind in ('', card.kind)]
    if args.json:
        rows = [
            {
                'name': card.name,
                'kind': card.kind,
                'width': card.input.width,
                'height': card.input.height,
                'file': card.file,
                'built_in': card.built_in,
                'path': str(path) if path else None,
                'bytes': path.stat().st_size if path else None,
                'licence': card.licence,
                'url': card.url or None,
                'sha256': card.sha256 or None,
            }
            for card, path in chosen
        ]
        print(json.dumps(rows, indent=2))
        return 0
    table = [('NAME', 'KIND', 'INPUT', 'FILE', 'LICENCE')]
    for card, path in chosen:
        state = 'pull' if card.url else 'built in' if card.built_in else 'make'
        if path:
            state = f'here, {path.stat().st_size / 1e6:.1f} MB'
        size = f'{card.input.width}x{card.input.height}'
        table.append((card.name, card.kind, size, state, card.licence))
    widths = [max(len(line[i]) for line in table) for i in range(4)]
    for line in table:
        print('  '.join(cell.ljust(width) for cell, width in zip(line, widths)), line[4])
    return 0


def _describe(args: argparse.Namespace) -> int:
    card = _card(args.model)
    if args.json:
        print(json.dumps(_plain(card), indent=2))
        return 0
    print('\n'.join(words(card)))
    return 0


def words(card: Card) -> list[str]:
    """The card in sentences."""
    from reid_ros.card import onnx_of
    from reid_ros.decode import decoder

    spec, output = card.input, card.output
    fit = {
        'stretch': 'stretched to it',
        'letterbox_topleft': f'in its top left corner, the rest grey {spec.pad}',
        'letterbox_centre': f'in its middle, the rest grey {spec.pad}',
    }[spec.fit]
    clip = f'clips of {spec.frames} images of ' if spec.frames else ''
    what = f'a network of kind {card.kind}, {card.file}'
    if card.built_in:
        what = f'built in ({card.built_in}), of kind {card.kind}; no network'
    lines = [
        f'{card.name}: {what}',
        f'sees      {clip}{spec.width} x {spec.height} pixels, the image {fit} ({spec.resize})',
        f'input     {spec.layout}, {spec.order.upper()}, {spec.dtype}, '
        f'(pixel - {list(spec.mean)}) / {list(spec.std)}, pixels from 0 to 255',
    ]
    if output.decoder:
        rest = 'overlapping boxes are removed afterwards'
        if not decoder(card).overlapping:
            rest = 'one box per person already'
        boxes = f'read as {output.decoder}: class {output.person} of {output.classes} is a person'
        if card.kind == 'search':
            boxes = f'and a vector of {output.vector} numbers of each person'
        lines.append(f'answers   boxes, {boxes}; {rest}')
    elif output.vector:
        lines.append(f'answers   a vector of {output.vector} numbers per crop')
    path = onnx_of(card)
    if not card.built_in:
        lines.append(f'file      {path}' if path else 'file      not on this machine')
    facts = {
        'licence': card.licence,
        'source': card.source,
        'url': card.url,
        'sha256': card.sha256 or ('unknown' if card.url else ''),
        'made by': card.command,
        'trained': ', '.join(
            f'{name} {value}'
            for name, value in card.training.items()
            if not isinstance(value, (Mapping, list))
        ),
        'note': card.note,
        'card': str(card.path or ''),
    }
    lines += [f'{name:<9} {value}' for name, value in facts.items() if value]
    return lines


def _plain(card: Card) -> dict[str, Any]:
    import dataclasses

    return {**dataclasses.asdict(card), 'path': str(card.path) if card.path else None}


def _card(model: str) -> Card:
    from reid_ros.card import Card, card_of, named

    path = Path(model).expanduser()
    if path.suffix == '.json':
        return Card.read(path)
    if path.suffix == '.onnx':
        return card_of(path)
    return named(model)


def _check(args: argparse.Namespace) -> int:
    from reid_ros.card import Card, CardError, find
    from reid_ros.check import check, described
    from reid_ros.engine.progress import watched

    if args.card:
        card = Card.read(args.card)
        path = Path(args.model).expanduser()
        if path.suffix != '.onnx' or not path.is_file():
            raise CardError(f'{args.model}: no such .onnx file; --card goes with a file')
    else:
        try:
            path, card = find(args.model)
        except CardError:
            if Path(args.model).is_file():
                print('\n'.join(described(Path(args.model))))
            raise
    picture, about = _picture(args.image)
    with watched(building()):
        verdict = check(path, card, picture, args.backend)
    verdict.notes.append(f'picture: {about}')
    if args.json:
        facts = {'model': str(path), 'card': str(card.path or card.name)}
        verdicts = {'ok': not verdict.problems, 'fits': verdict.fits}
        rest = {'problems': verdict.problems, 'notes': verdict.notes}
        print(json.dumps({**facts, **verdicts, **rest}, indent=2))
    else:
        print(f'{path}\nagainst {card.path or card.name}')
        for mark, lines in (
            ('fits   ', verdict.fits),
            ('note   ', verdict.notes),
            ('PROBLEM', verdict.problems),
        ):
            for line in lines:
                print(f'  {mark} {line}')
        print('does not fit' if verdict.problems else 'fits')
    return 2 if verdict.problems else 0


def _picture(name: str) -> tuple[UInt8Array, str]:
    import cv2
    import numpy as np

    if name:
        image = cv2.imread(name, cv2.IMREAD_COLOR)
        if image is None:
            raise ReidError(f'{name}: no picture that can be read; give a .jpg or .png')
        return image, f'{name}, {image.shape[1]} x {image.shape[0]}'
    rows, columns = np.mgrid[0:480, 0:640]
    drawn = np.stack([columns * 255 // 640, rows * 255 // 480, (rows + columns) % 256], axis=2)
    figure = drawn.astype(np.uint8)
    cv2.rectangle(figure, (290, 160), (350, 300), (40, 40, 180), -1)
    cv2.rectangle(figure, (295, 300), (345, 430), (120, 60, 30), -1)
    cv2.circle(figure, (320, 130), 26, (150, 180, 220), -1)
    return figure, 'drawn; a photograph with people (--image) says more'


def _pull(args: argparse.Namespace) -> int:
    from reid_ros.card import cache_dir, named
    from reid_ros.pull import Bar, PullError, pull

    if not args.name and not args.url:
        raise PullError("name a card ('reid_ros models list') or give --url")
    card = named(args.name) if args.name else None
    if card and card.built_in:
        raise PullError(f'{card.name} is built in: there is nothing to download')
    url = args.url or (card.url if card else '')
    if not url and card:
        how = f'it is made by: {card.command}' if card.command else f'see {card.source}'
        raise PullError(f'nobody offers {card.file} for download; {how}')
    checksum = args.sha256.lower() or (card.sha256 if card and not args.no_verify else '')
    if not checksum and not args.no_verify:
        raise PullError(
            f'the checksum of {url} is unknown: give --sha256 SUM, or --no-verify to take what '
            'the server sends'
        )
    file = card.file if card else PurePosixPath(urlsplit(url).path).name
    if not file.endswith('.onnx'):
        raise PullError(f'{url} does not end in the name of an .onnx file')
    folder = Path(args.to).expanduser() if args.to else cache_dir()
    bar = Bar(sys.stderr)
    try:
        path = pull(url, folder / file, sha256=checksum, progress=bar)
    finally:
        bar.close()
    print(path)
    if not card:
        print(
            f'it needs a card beside it, {path.with_suffix(".json").name}: see config/models for '
            f"examples, then 'reid_ros models check {path}'",
            file=sys.stderr,
        )
    return 0

"""`reid_ros gallery list|name|merge|forget|clear FILE`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.gallery import Gallery, Person


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser('gallery', help='who is known: list, name, merge, forget, clear')
    actions = verb.add_subparsers(title='actions', dest='action', required=True, metavar='ACTION')
    listing = _action(actions, 'list', 'everybody in the file', _list)
    listing.add_argument('--json', action='store_true', help='print JSON')
    name = _action(actions, 'name', 'give a person a name, "" takes it away', _name)
    name.add_argument('person', type=int)
    name.add_argument('name')
    merge = _action(actions, 'merge', 'two numbers are one person; the first stays', _merge)
    merge.add_argument('person', type=int)
    merge.add_argument('gone', type=int)
    forget = _action(actions, 'forget', 'remove persons and every vector of them', _forget)
    forget.add_argument('person', type=int, nargs='+')
    clear = _action(actions, 'clear', 'forget everybody', _clear)
    clear.add_argument('--yes', action='store_true', help='do not ask')


def _action(
    actions: Any, name: str, text: str, call: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    parser.add_argument('file', help='gallery file (gallery.path of the settings)')
    parser.set_defaults(call=call)
    return parser


def _changed(args: argparse.Namespace, change: Callable[[Gallery], str]) -> int:
    """Open, change, save; a change that fails leaves the file as it was."""
    from reid_ros.gallery import Gallery
    from reid_ros.gallery_store import GalleryStore

    path = Path(args.file).expanduser()
    if not path.is_file():
        raise ReidError(f'{path}: no such gallery; `reid_ros run --gallery FILE` makes one')
    with GalleryStore(path) as store:
        gallery = Gallery()
        store.load(gallery)
        said = change(gallery)
        store.save(gallery)
    print(said)
    return 0


def _list(args: argparse.Namespace) -> int:
    def said(gallery: Gallery) -> str:
        people = list(gallery)
        if args.json:
            return json.dumps([_plain(person) for person in people], indent=2)
        rows = [('person', 'name', 'crops', 'last seen', 'by')]
        for person in people:
            camera = max(person.seen_ns, key=lambda name: person.seen_ns[name], default='')
            when = _when(person.last_ns)
            rows.append((str(person.number), person.name, str(person.crops), when, camera))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ['  '.join(f'{v:<{w}}' for v, w in zip(row, [*widths, 0])) for row in rows]
        return '\n'.join(lines) if people else 'nobody is in this gallery'

    return _changed(args, said)


def _when(stamp_ns: int) -> str:
    """A date, or seconds where the stamps do not count from 1970."""
    seconds = stamp_ns / 1e9
    if seconds < 1e8:
        return f'{seconds:.1f} s'
    return time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))


def _plain(person: Person) -> dict[str, Any]:
    return {
        'person': person.number,
        'name': person.name,
        'crops': person.crops,
        'born_ns': person.born_ns,
        'seen_ns': person.seen_ns,
        'merged': sorted(person.merged),
    }


def _name(args: argparse.Namespace) -> int:
    def said(gallery: Gallery) -> str:
        gallery.name(args.person, args.name)
        if not args.name:
            return f'person {args.person} has no name now'
        return f'person {args.person} is called {args.name}'

    return _changed(args, said)


def _merge(args: argparse.Namespace) -> int:
    def said(gallery: Gallery) -> str:
        gallery.merge(args.person, args.gone)
        return f'person {args.gone} is person {args.person} now'

    return _changed(args, said)


def _forget(args: argparse.Namespace) -> int:
    def said(gallery: Gallery) -> str:
        for number in dict.fromkeys(args.person):
            gallery.forget(number)
        return f'forgotten: {", ".join(map(str, dict.fromkeys(args.person)))}'

    return _changed(args, said)


def _clear(args: argparse.Namespace) -> int:
    def said(gallery: Gallery) -> str:
        count = len(gallery)
        if count and not args.yes and not _sure(count):
            return 'nothing was changed'
        gallery.clear()
        return f'{count} persons forgotten'

    return _changed(args, said)


def _sure(count: int) -> bool:
    try:
        return input(f'forget {count} persons for ever? [y/N] ').strip().lower() in ('y', 'yes')
    except EOFError:
        raise ReidError('nobody answered: say --yes to clear without being asked') from None

"""The node's services: enable, reset_tracks; save, load and clear the gallery."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from std_srvs.srv import SetBool, Trigger

from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.pipeline import Pipeline
    from reid_ros.ros.managed import Managed


class Services:
    """Made once with the node; each answers in words in whichever state the node is.

    Args:
        node: owns the services.
        gallery: whether the node has one.
    """

    def __init__(self, node: Managed, *, gallery: bool = True) -> None:
        self._node = node
        node.create_service(SetBool, '~/enable', self._enable)
        calls = {'reset_tracks': self._reset_tracks}
        if gallery:
            calls['save_gallery'] = self._save_gallery
            calls['load_gallery'] = self._load_gallery
            calls['clear_gallery'] = self._clear_gallery
        for name, call in calls.items():
            node.create_service(Trigger, f'~/{name}', functools.partial(answer, call))

    def _enable(self, request: Any, response: Any) -> Any:
        self._node.enabled = bool(request.data)
        response.success = True
        response.message = 'images are used' if request.data else 'images are not used'
        return response

    def _reset_tracks(self) -> str:
        if self._node.worker is None:
            raise ReidError('the node is not active: there are no tracks')
        self._node.worker.reset_tracks()
        return 'tracks of every camera forgotten'

    def _save_gallery(self) -> str:
        pipeline = self._configured()
        path = self._node.config.gallery.path
        if not path:
            raise ReidError('gallery.path is empty: there is no file to save to')
        with self._node.exclusive():
            pipeline.save()
        return f'{len(pipeline.gallery)} persons saved to {path}'

    def _load_gallery(self) -> str:
        pipeline = self._configured()
        with self._node.exclusive():
            number = pipeline.reload()
        return f'{number} persons loaded from {self._node.config.gallery.path}'

    def _clear_gallery(self) -> str:
        pipeline = self._configured()
        with self._node.exclusive():
            number = pipeline.clear()
            pipeline.save()
        return f'{number} persons forgotten'

    def _configured(self) -> Pipeline:
        if self._node.pipeline is None:
            raise ReidError('the node is not configured: there is no gallery')
        return self._node.pipeline


def answer(call: Callable[[], str], request: Any, response: Any) -> Any:
    """Answer a Trigger with what `call` says, or with why it could not."""
    try:
        response.message, response.success = call(), True
    except ReidError as error:
        response.message, response.success = str(error), False
    return response

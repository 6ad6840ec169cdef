"""Who chooses the target: `~/select_target`, and the services about the operator."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reid_ros.ros.services import answer
from reid_ros.ros.subscribe import QUIET
from reid_ros.target import OPERATOR, chosen
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.pipeline import Pipeline
    from reid_ros.ros.managed import Managed
    from reid_ros.ros.target import TargetTopics


class TargetServices:
    """Made once with the node; each answers in words in whichever state the node is.

    Args:
        node: whose parameters `target.*` say who is followed.
        topics: the node's target.
    """

    def __init__(self, node: Managed, topics: TargetTopics) -> None:
        self._node, self._topics = node, topics
        node.create_subscription(
            String, '~/select_target', self._on_select, 10, event_callbacks=QUIET
        )
        for name, call in (
            ('enroll_target', self._enroll),
            ('release_target', self._release),
            ('forget_target', self._forget),
        ):
            node.create_service(Trigger, f'~/{name}', functools.partial(answer, call))

    def _on_select(self, message: String) -> None:
        wanted = message.data.strip()
        if wanted in ('', 'off'):
            self._follow('off')
        elif wanted == 'nearest':
            self._follow('nearest')
        elif wanted == OPERATOR:
            self._follow('enrolled')
        else:
            self._follow('id', wanted)

    def _follow(self, mode: str, person: str = '') -> None:
        """An explicit choice: also where the settings say so already, it is made anew."""
        self._node.set_parameters(
            [Parameter('target.mode', value=mode), Parameter('target.person_id', value=person)]
        )
        self._topics.choose(mode, person)

    def _release(self) -> str:
        person = self._topics.person
        self._follow('off')
        return f'person {person} is not followed any more' if person else 'nobody was followed'

    def _enroll(self) -> str:
        """The target, or whoever is nearest, becomes the operator and is followed."""
        pipeline = self._pipeline()
        if self._topics.person and not self._topics.locked():
            raise ReidError(
                f'person {self._topics.person} is the target but not surely seen: come into view, '
                'or call ~/release_target first'
            )
        number = self._topics.person or self._topics.nearest()
        if not number:
            raise ReidError(
                'it is not sure who is nearest: stand before the camera, closer than anybody '
                'else, for some seconds'
            )
        with self._node.exclusive():
            name = pipeline.gallery[number].name
            if not name:
                before = chosen(OPERATOR, pipeline.names())
                if before:
                    pipeline.gallery.name(before, '')
                pipeline.gallery.name(number, OPERATOR)
                pipeline.save()
        if name and name != OPERATOR:
            self._follow('id', name)
            return f'person {number} is followed under the name {name!r}'
        self._follow('enrolled')
        return f'person {number} is the operator and is followed'

    def _forget(self) -> str:
        """The target, seen or not, or else the operator leaves memory and gallery for good."""
        pipeline = self._pipeline()
        wanted = self._node.parameters.config().target
        with self._node.exclusive():
            number = self._topics.person
            if not number and wanted.mode == 'id':
                number = chosen(wanted.person_id, pipeline.names())
                if number not in pipeline.gallery:
                    raise ReidError(
                        f'nobody in the gallery is {wanted.person_id!r} (target.person_id): '
                        'nobody to forget'
                    )
            number = number or chosen(OPERATOR, pipeline.names())
            if not number or number not in pipeline.gallery:
                raise ReidError('nobody is followed and there is no operator: nobody to forget')
            pipeline.forget(number)
            pipeline.save()
        self._follow('off')
        return f'person {number} is forgotten'

    def _pipeline(self) -> Pipeline:
        if self._node.pipeline is None:
            raise ReidError('the node is not configured: there is no gallery')
        return self._node.pipeline

"""A gallery of known people before which one track at a time appears."""

from __future__ import annotations

import numpy as np

from reid_ros.bench.lineup import Seen
from reid_ros.calibration import Calibration
from reid_ros.config import TopologyConfig
from reid_ros.evidence import Scores, matches
from reid_ros.gallery import Gallery, Person
from reid_ros.likeness import Likeness
from reid_ros.scene import Scene, SeenTrack
from reid_ros.topology import Topology
from reid_ros.types import IntArray

_LATER_NS = 3_600_000_000_000  # the probes come an hour after everybody was enrolled


class Hall:
    """A gallery as the system keeps it, and the system's own rule for a track that is nobody."""

    def __init__(self, enrolled: Seen, calibration: Calibration) -> None:
        self.gallery = Gallery()
        cameras = enrolled.cameras.tolist()
        for row, number in enumerate((enrolled.persons + 1).tolist()):
            if number not in self.gallery:
                self.gallery.insert(Person(number, 0, confirmed=True))
            weight = float(enrolled.weights[row])
            self.gallery.learn(number, enrolled.vectors[row], str(cameras[row]), weight)
            self.gallery[number].seen_ns[str(cameras[row])] = 0
        topology = Topology(TopologyConfig(), ())
        self._likeness = Likeness(self.gallery, Scene(self.gallery, topology), calibration)

    def scores(self, probes: Seen) -> Scores:
        """(m, n) evidence of tracks, none of which knows of another."""
        box = np.zeros(4, np.float32)
        tracks = [
            SeenTrack(str(camera), row + 1, _LATER_NS, _LATER_NS, box)
            for row, camera in enumerate(probes.cameras.tolist())
        ]
        return self._likeness.of_tracks(tracks, probes.vectors, _LATER_NS)

    def taken(self, found: Scores, false_accept: float) -> IntArray:
        """(m,) number of the person whom each track is taken for, 0 = nobody; one at a time."""
        result = np.zeros(len(found.llr), np.int64)
        for row in np.flatnonzero(found.accepted(false_accept).any(axis=1)).tolist():
            one = found.row(row)
            match = matches(one, false_accept)[0]
            if self._likeness.settled(one, match, false_accept):
                result[row] = found.persons[match.column]
        return result

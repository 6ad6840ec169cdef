"""Whether vectors tell people, or only the places where they stand.

A gallery of pictures of many places is searched well by whoever tells places: a network that sees
whole pictures can. On one site, where a robot works, that is worth nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_ros.train.search.data.pictures import Standing
from reid_ros.train.search.worth import sites
from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray


def onsite(vectors: FloatArray, where: Standing, rows: IntArray) -> dict[str, Any]:
    """Each person before a camera, searched among those before the other cameras of the site.

    Args:
        vectors: (n, d) of boxes.
        where: all boxes.
        rows: (n,) numbers of those that have a vector, all of people with a label.

    Returns:
        'rank-1' in percent of so many 'tracks'; and mean angles, degrees, between tracks of one
        person before 'two cameras', between two people before 'one camera' and on 'one site', and
        between people of 'two sites'.
    """
    cameras = where.cameras[where.pictures[rows]]
    pairs, index = np.unique(np.stack([where.people[rows], cameras]), axis=1, return_inverse=True)
    sums = np.zeros((pairs.shape[1], vectors.shape[1]))
    np.add.at(sums, index.reshape(-1), vectors)
    whole = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    people, before = pairs
    place = sites(where)[before]
    apart = np.degrees(np.arccos(np.clip(whole @ whole.T, -1.0, 1.0)))
    one, camera = people[:, None] == people, before[:, None] == before
    site = place[:, None] == place
    others = np.where(site & ~camera, apart, np.inf)
    there = (one & site & ~camera).any(axis=1)
    right = people[others.argmin(axis=1)] == people
    upper = np.triu(np.ones_like(one), 1)

    def mean(chosen: BoolArray) -> float | None:
        found: AnyArray = apart[chosen & upper]
        return round(float(found.mean()), 1) if len(found) else None

    return {
        'rank-1': round(100 * float(right[there].mean()), 2) if there.any() else None,
        'tracks': int(there.sum()),
        'angles': {
            'one person, two cameras': mean(one & ~camera),
            'two people, one camera': mean(~one & camera),
            'two people, one site': mean(~one & site & ~camera),
            'two people, two sites': mean(~one & ~site),
        },
    }

"""Where one can walk in a place, and the shortest way round its furniture."""

from __future__ import annotations

import heapq
from typing import Protocol

import cv2
import numpy as np

from reid_ros.types import BoolArray, DoubleArray, FloatArray

CELL_M = 0.05  # of the map of distances
MARGIN_M = 2.3  # of the map around the floor: people come from behind the doors
DOOR_M = 1.05  # width of the passage that a door opens
ASIDE_M = 1.9  # how far one can step aside behind a door
BLOCKED_M = 0.30  # nobody's middle comes nearer to furniture or a wall
CORNER_M = 0.45  # at which distance one turns round a corner of furniture


class Ground(Protocol):
    """What is needed of a place.

    Attributes:
        size: x, y metres; the floor spans 0..x, 0..y.
        obstacles: (k, 4) x0 y0 x1 y1 metres, footprints of furniture.
        doors: (d, 3) x, y, heading inward, radians.
    """

    @property
    def size(self) -> tuple[float, float]:
        """Metres."""

    @property
    def obstacles(self) -> DoubleArray:
        """Footprints, metres."""

    @property
    def doors(self) -> DoubleArray:
        """Metres, metres, radians."""


class Floor:
    """The floor of a place as somebody sees it who walks on it.

    Attributes:
        size: x, y metres.
        doors: (d, 3) x, y, heading inward.
    """

    def __init__(self, place: Ground, aside: bool = False) -> None:
        """With `aside` there is ground behind the walls beside the doors."""
        self.size = (float(place.size[0]), float(place.size[1]))
        self.doors = np.asarray(place.doors, np.float64).reshape(-1, 3)
        obstacles: DoubleArray = np.asarray(place.obstacles, np.float64).reshape(-1, 4)
        self._aside = aside
        self._blocks = obstacles + np.array([-1, -1, 1, 1]) * (BLOCKED_M + 0.02)
        self._clearance = self._distances(obstacles)
        self._nodes = self._corners(obstacles)
        self._hops = self._seen(self._nodes, self._nodes)

    @property
    def free_m2(self) -> float:
        """Square metres where one can stand."""
        return float((self._clearance > BLOCKED_M).sum()) * CELL_M**2

    def clearance(self, points: DoubleArray) -> FloatArray:
        """(...) metres from (..., 2) points to the next wall or furniture; 0 within."""
        cells = ((points + MARGIN_M) / CELL_M).astype(np.int64)
        rows, columns = self._clearance.shape
        inside = (cells >= 0).all(axis=-1) & (cells < [columns, rows]).all(axis=-1)
        cells = np.clip(cells, 0, [columns - 1, rows - 1])
        result: FloatArray = np.where(
            inside, self._clearance[cells[..., 1], cells[..., 0]], np.float32(0)
        )
        return result

    def grid(self, step_m: float) -> DoubleArray:
        """(n, 2) points, step_m apart, where one can stand."""
        x = np.arange(step_m / 2, self.size[0], step_m)
        y = np.arange(step_m / 2, self.size[1], step_m)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        result: DoubleArray = points[self.clearance(points) > CORNER_M]
        return result

    def route(self, start: DoubleArray, goal: DoubleArray) -> DoubleArray:
        """(n, 2) points to walk to one after the other, the last is the goal.

        Shortest over the corners of the furniture (visibility graph, Dijkstra). Straight to the
        goal where it cannot be reached.
        """
        if self.sees(start, goal) or not len(self._nodes):
            return goal.reshape(1, 2)
        from_start = self._seen(start[None], self._nodes)[0]
        to_goal = self._seen(self._nodes, goal[None])[:, 0]
        best = from_start.copy()
        before = np.full(len(self._nodes), -1)
        queue = [(float(d), k) for k, d in enumerate(best) if np.isfinite(d)]
        heapq.heapify(queue)
        while queue:
            distance, node = heapq.heappop(queue)
            if distance > best[node]:
                continue
            through = distance + self._hops[node]
            for k in np.flatnonzero(through < best - 1e-9).tolist():
                best[k], before[k] = through[k], node
                heapq.heappush(queue, (float(through[k]), k))
        whole = best + to_goal
        node = int(np.argmin(whole))
        if not np.isfinite(whole[node]):
            return goal.reshape(1, 2)
        way = [goal]
        while node >= 0:
            way.append(self._nodes[node])
            node = int(before[node])
        return np.array(way[::-1])

    def sees(self, start: DoubleArray, goal: DoubleArray) -> bool:
        """True where the straight way is free."""
        return bool(np.isfinite(self._seen(start[None], goal[None])[0, 0]))

    def _distances(self, obstacles: DoubleArray) -> FloatArray:
        columns, rows = (int(np.ceil((s + 2 * MARGIN_M) / CELL_M)) for s in self.size)
        free = np.zeros((rows, columns), np.uint8)
        low = round(MARGIN_M / CELL_M)
        x1, y1 = (round((s + MARGIN_M) / CELL_M) for s in self.size)
        free[low:y1, low:x1] = 1
        for x0, y0, x1, y1 in np.round((obstacles + MARGIN_M) / CELL_M).astype(int).tolist():
            free[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 0
        for x, y, heading in self.doors.tolist():
            forward = np.array([np.cos(heading), np.sin(heading)])
            side = np.array([-forward[1], forward[0]]) * DOOR_M / 2
            middle = np.array([x, y])
            aside = side * ASIDE_M / (DOOR_M / 2)
            passages = [(-MARGIN_M, 0.6, side)]
            passages += [(-1.6, -0.55, aside)] if self._aside else []
            for begin, end, breadth in passages:
                outer, inner = middle + forward * begin, middle + forward * end
                corners = np.array(
                    [outer - breadth, outer + breadth, inner + breadth, inner - breadth]
                )
                cells = np.round((corners + MARGIN_M) / CELL_M).astype(np.int32)
                cv2.fillConvexPoly(free, cells, 1)
        result: FloatArray = cv2.distanceTransform(free, cv2.DIST_L2, 5) * np.float32(CELL_M)
        return result

    def _corners(self, obstacles: DoubleArray) -> DoubleArray:
        """(n, 2) where one turns round furniture, and before every door."""
        x0, y0, x1, y1 = (obstacles + np.array([-1, -1, 1, 1]) * CORNER_M).T
        corners = np.concatenate(
            [np.stack(pair, axis=1) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        )
        nodes = np.concatenate([corners, self.doors[:, :2] + 0.7 * self._inward()])
        result: DoubleArray = nodes[self.clearance(nodes) > BLOCKED_M]
        return result

    def _inward(self) -> DoubleArray:
        heading = self.doors[:, 2]
        result: DoubleArray = np.stack((np.cos(heading), np.sin(heading)), axis=1)
        return result

    def _seen(self, starts: DoubleArray, goals: DoubleArray) -> DoubleArray:
        """(n, m) metres of the straight ways, inf where furniture or a wall is in it."""
        away = goals[None] - starts[:, None]
        length: DoubleArray = np.linalg.norm(away, axis=2)
        if not len(self._blocks):
            return length
        # Slabs: a segment meets a box where it is inside both pairs of sides at once.
        with np.errstate(divide='ignore', invalid='ignore'):
            low = (self._blocks[:, :2] - starts[:, None, None]) / away[:, :, None]
            high = (self._blocks[:, 2:] - starts[:, None, None]) / away[:, :, None]
        enter = np.nan_to_num(np.minimum(low, high), nan=-np.inf).max(axis=3)
        leave = np.nan_to_num(np.maximum(low, high), nan=np.inf).min(axis=3)
        # Who stands inside a margin may leave it.
        free = self._within(starts)[:, None] | self._within(goals)[None]
        blocked = (enter < leave) & (enter < 1) & (leave > 0) & ~free
        result: DoubleArray = np.where(blocked.any(axis=2), np.inf, length)
        return result

    def _within(self, points: DoubleArray) -> BoolArray:
        """(n, blocks) True where a point stands in the margin of a block."""
        p = points[:, None]
        result: BoolArray = np.all((p > self._blocks[:, :2]) & (p < self._blocks[:, 2:]), axis=2)
        return result

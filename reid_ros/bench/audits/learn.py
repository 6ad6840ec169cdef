"""Small learners in numpy, for audits: what is linearly there, or near, they find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

from reid_ros.types import AnyArray, DoubleArray, IntArray

Projector = Callable[[AnyArray], DoubleArray]


def whitened(values: AnyArray, dimensions: int) -> Projector:
    """Principal components at deviation 1, learnt from (n, d) values."""
    table = np.asarray(values, np.float64)
    mean = table.mean(axis=0)
    scale = table.std(axis=0) + 1e-3 * table.std() + 1e-9
    _, strength, axes = np.linalg.svd((table - mean) / scale, full_matrices=False)
    kept = min(dimensions, int((strength > 1e-6 * strength[0]).sum()), len(table) - 1)
    turn = axes[:kept].T / strength[:kept] * np.sqrt(len(table))

    def project(rows: AnyArray) -> DoubleArray:
        result: DoubleArray = ((np.asarray(rows, np.float64) - mean) / scale) @ turn
        return result

    return project


def components(values: AnyArray, dimensions: int) -> Projector:
    """Principal components as they are, learnt from (n, d) values."""
    table = np.asarray(values, np.float64)
    mean = table.mean(axis=0)
    _, _, axes = np.linalg.svd(table - mean, full_matrices=False)
    turn = axes[:dimensions].T

    def project(rows: AnyArray) -> DoubleArray:
        result: DoubleArray = (np.asarray(rows, np.float64) - mean) @ turn
        return result

    return project


def discriminant(
    values: AnyArray, labels: IntArray, dimensions: int, shrink: float = 0.2
) -> Projector:
    """Fisher's linear discriminant with a shrunk within-class scatter (Friedman 1989)."""
    table = np.asarray(values, np.float64)
    names, group = np.unique(labels, return_inverse=True)
    means = np.stack([table[group == k].mean(axis=0) for k in range(len(names))])
    inner = (table - means[group]).T @ (table - means[group]) / len(table)
    outer = (means - table.mean(axis=0)).T @ (means - table.mean(axis=0)) / len(names)
    size = len(inner)
    inner = (1 - shrink) * inner + shrink * np.trace(inner) / size * np.eye(size)
    _, axes = linalg.eigh(outer, inner + 1e-9 * np.eye(size))
    turn = axes[:, ::-1][:, : min(dimensions, len(names) - 1)]

    def project(rows: AnyArray) -> DoubleArray:
        result: DoubleArray = np.asarray(rows, np.float64) @ turn
        return result

    return project


def ridge(values: AnyArray, labels: IntArray, strength: float) -> Callable[[AnyArray], IntArray]:
    """A linear classifier, one against all, by least squares; the label of each row."""
    table = np.asarray(values, np.float64)
    names, group = np.unique(labels, return_inverse=True)
    mean = table.mean(axis=0)
    target = np.eye(len(names))[group] - np.bincount(group) / len(group)
    gram = (table - mean).T @ (table - mean)
    damp = strength * np.trace(gram) / len(gram)
    turn = np.linalg.solve(gram + damp * np.eye(len(gram)), (table - mean).T @ target)

    def classify(rows: AnyArray) -> IntArray:
        scores = (np.asarray(rows, np.float64) - mean) @ turn
        result: IntArray = names[np.argmax(scores, axis=1)]
        return result

    return classify


def nearest(values: AnyArray, labels: IntArray) -> Callable[[AnyArray], IntArray]:
    """The label of the row of highest cosine."""
    known = _unit(values)

    def classify(rows: AnyArray) -> IntArray:
        result: IntArray = labels[np.argmax(_unit(rows) @ known.T, axis=1)]
        return result

    return classify


def cosine(rows: AnyArray, others: AnyArray) -> DoubleArray:
    """(n, m) cosines."""
    result: DoubleArray = _unit(rows) @ _unit(others).T
    return result


def _unit(rows: AnyArray) -> DoubleArray:
    table = np.asarray(rows, np.float64)
    result: DoubleArray = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    return result

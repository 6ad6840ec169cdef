"""How long networks take on this machine, side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort

from reid_ros.train.checkpoint import replaced
from reid_ros.train.export import INPUT, graph
from reid_ros.train.nets.network import Network
from reid_ros.train.teacher import digest

THREADS, BATCH = 2, 8
ROUNDS = 200
"""Each network runs once a round; its best round counts, for others share the machine."""
FILE = 'clock.json'


def shape(network: Network) -> str:
    """Says how long a network takes: its shapes, not its numbers."""
    sizes = {
        name: list(value.shape)
        for name, value in network.state_dict().items()
        if not name.startswith('classifier.')
    }
    return digest({'net': network.settings.encoder, 'size': network.size, 'sizes': sizes})[:12]


def milliseconds(
    networks: Mapping[str, Network],
    threads: int = THREADS,
    batch: int = BATCH,
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Of one crop, by ONNX Runtime on the processor; the normalisation of pixels included.

    Args:
        networks: by any name.
        threads: that ONNX Runtime uses.
        batch: crops of one run.
        rounds: of which the fastest counts.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    sessions, crops = {}, {}
    for name, network in networks.items():
        sessions[name] = ort.InferenceSession(
            graph(network).SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        crops[name] = np.random.default_rng(0).integers(
            0, 256, (batch, *network.size, 3), np.uint8
        )
    best = dict.fromkeys(networks, float('inf'))
    for _ in range(rounds):
        for name, session in sessions.items():
            begun = time.perf_counter()
            session.run(None, {INPUT: crops[name]})
            best[name] = min(best[name], time.perf_counter() - begun)
    return {name: round(1e3 * spent / batch, 4) for name, spent in best.items()}


def kept(folder: Path) -> dict[str, float]:
    """Milliseconds by shape, of the last run; empty where there was none."""
    path = folder / FILE
    if not path.is_file():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding='utf-8'))
    return found


def keep(folder: Path, found: Mapping[str, float]) -> None:
    """Write what `kept` reads."""
    text = json.dumps(dict(found), indent=1)
    replaced(folder / FILE, lambda half: half.write_text(text, encoding='utf-8'))

"""What the doctor tries in a process of its own; every import stands inside its function.

Each probe returns what JSON can hold. An exception is an answer too: its last line is reported.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SHM = Path('/dev/shm')
# Fast DDS 2 names a participant's segment fastrtps_<uuid>, Fast DDS 3 fastdds_<uuid>.
SEGMENT = re.compile(r'(?:fastrtps|fastdds)_[0-9a-f]{16}')


def segment_size(path: Path) -> int:
    """Bytes for data in a segment's file; 3/64 more are its list of buffers (Fast DDS 2.14)."""
    return path.stat().st_size * 64 // 67 // 1024 * 1024


def imported(module: str) -> Mapping[str, Any]:
    """Version and file of a module that is really imported."""
    # scipy itself imports without its compiled parts; we use this one.
    found = importlib.import_module({'scipy': 'scipy.optimize'}.get(module, module))
    top = importlib.import_module(module)
    version = getattr(top, '__version__', '')
    if not version:
        try:
            version = importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            version = ''
    return {'version': str(version), 'file': found.__file__ or ''}


def opencv() -> Mapping[str, Any]:
    """Whether this OpenCV decodes videos."""
    import cv2

    lines = cv2.getBuildInformation().splitlines()
    backends = {}
    for line in lines:
        name, _, value = line.strip().partition(':')
        if name in ('FFMPEG', 'GStreamer'):
            backends[name] = value.strip().startswith('YES')
    return backends


def providers() -> Mapping[str, Any]:
    """ONNX Runtime's providers, as far as its build goes."""
    import onnxruntime

    return {'names': onnxruntime.get_available_providers()}


def provider(backend: str) -> Mapping[str, Any]:
    """Run a small convolution on a backend: what really ran it, and whether the answer is right.

    Where it ran is read from ONNX Runtime's own record, as `reid_ros.model` does for every model.
    """
    import numpy as np

    from reid_ros.card import Card, Input, Output
    from reid_ros.doctor.network import SIDE, VECTOR, convolution
    from reid_ros.model import Model

    weights = np.random.RandomState(0).rand(VECTOR, 3, SIDE, SIDE).astype(np.float32)
    image = np.random.RandomState(1).rand(1, 3, SIDE, SIDE).astype(np.float32)
    card = Card(
        'proof',
        'appearance',
        'proof.onnx',
        input=Input(height=SIDE, width=SIDE),
        output=Output(vector=VECTOR),
    )
    with tempfile.TemporaryDirectory(prefix='reid_ros_') as folder:
        path = Path(folder) / card.file
        path.write_bytes(convolution(weights))
        with Model.load(
            path, card, backend=backend, engine_cache_dir=folder, precision='fp32'
        ) as model:
            answer = model.infer(image)[0].reshape(VECTOR)
            expected = np.tensordot(weights, image[0], 3)
            return {
                'ran': model.provider,
                'reason': model.fallback_reason,
                'right': bool(np.allclose(answer, expected, rtol=1e-2)),
            }


def network(name: str, kind: str) -> Mapping[str, Any]:
    """Load a configured model on the CPU and run it once: it is there and fits its card."""
    from reid_ros.calibration import Calibration
    from reid_ros.card import find
    from reid_ros.colour import Colour
    from reid_ros.model import Model
    from reid_ros.types import ReidError

    try:
        path, card = find(name, kind, 'search')
        if card.built_in:
            Colour(card)
        else:
            Model.load(path, card, backend='cpu').close()
        size = f'{card.input.width}x{card.input.height}'
        facts = {'card': card.name, 'path': str(path), 'size': size}
        if card.calibration:
            Calibration.from_json(card.calibration, f'card of {card.name}')
        return {**facts, 'calibrated': bool(card.calibration)}
    except ReidError as error:
        return {'wrong': str(error)}


def node() -> Mapping[str, Any]:
    """Import the node and everything that it needs."""
    importlib.import_module('reid_ros.ros.node')
    return {}


def ros() -> Mapping[str, Any]:
    """Start a real participant: which middleware runs, and the segments that it made."""
    import rclpy

    before = set(os.listdir(SHM)) if SHM.is_dir() else set()
    rclpy.init(args=[])
    probe = rclpy.create_node(
        '_reid_ros_doctor', enable_rosout=False, start_parameter_services=False
    )
    # Of the files that are new, ours are those that this process has mapped.
    mapped = set(re.findall(r'/dev/shm/(\S+)', Path('/proc/self/maps').read_text()))
    segments = [n for n in mapped - before if SEGMENT.fullmatch(n) and (SHM / n).exists()]
    facts = {
        'rmw': rclpy.get_rmw_implementation_identifier(),
        'file': rclpy.__file__ or '',
        'segments': [segment_size(SHM / name) for name in segments],
    }
    probe.destroy_node()
    rclpy.shutdown()
    return facts


def cv_bridge() -> Mapping[str, Any]:
    """Convert an image of an encoding that needs the compiled part of cv_bridge."""
    from sensor_msgs.msg import Image

    bridge = importlib.import_module('cv_bridge').CvBridge()
    image = Image(height=4, width=4, encoding='bayer_rggb8', step=4, data=bytes(16))
    return {'shape': list(bridge.imgmsg_to_cv2(image, 'bgr8').shape)}

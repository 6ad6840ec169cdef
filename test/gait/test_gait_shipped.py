"""The gait network that comes with the package."""

import numpy as np
import pytest

from reid_ros import card
from reid_ros.calibration import Calibration
from reid_ros.config import Config, ModelConfig
from reid_ros.pipeline import Pipeline
from reid_ros.types import Detections, Frame
from reid_ros.world.seeds import generator
from reid_ros.world.silhouettes import GaitStudio


@pytest.fixture(scope='module')
def shipped():
    return card.find('gait', 'gait')


def test_both_graphs_are_small_and_tell_how_they_came_to_be(shipped):
    path, found = shipped
    head, _ = card.head_of(path, found, (80, 16, 11))
    assert path.stat().st_size + head.stat().st_size < 4_000_000
    assert found.command.startswith('reid_ros export out/gait/')
    assert found.training['masks'] == 'seen'
    assert found.training['flops'] <= 590e6 / 8
    spread = Calibration.from_json(found.calibration, 'card').cross_camera
    assert spread.impostor.mean - spread.genuine.mean > spread.genuine.sd


@pytest.mark.slow
def test_somebody_who_walks_gets_a_vector_and_the_same_pixels_standing_get_none():
    # A walk across, drawn in windows that follow the person: put side by side they are a street.
    studio = GaitStudio('test', frames=24, size=(128, 88), rate_hz=12.5, cameras=2, seed=3)
    walk = studio.sequence(0, 'normal', 0, 90)
    model = ModelConfig(detector='none', appearance='none', gait='gait', silhouette='silhouette')
    config = Config(model=model, backend='cpu')
    draw = generator('test', 'gait shipped')
    found = {}
    for name, step_px in (('walks', 9), ('stands', 0)):
        with Pipeline.load(config) as pipeline:
            for k, crop in enumerate(walk.crops if step_px else walk.crops[:1].repeat(24, 0)):
                image = draw.integers(100, 120, (200, 480, 3)).astype(np.uint8)
                x = 30 + step_px * k
                image[30:158, x : x + 88] = crop
                box = np.array([[x + 22, 30, x + 66, 158]], np.float32)
                seen = Detections(box, np.array([0.9], np.float32))
                pipeline.step([Frame('hall', k * 80_000_000, image, k, detections=seen)])
                gait = pipeline.observations[0].gait
                found.setdefault(name, []).extend([] if gait is None else gait.rows.tolist())
    assert found['walks']
    assert not found['stands']

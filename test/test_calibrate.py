"""Fitting the scores to a site, on drawn people whose angles are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from reid_ros.calibrate import Collector
from reid_ros.calibration import CAUTIOUS, CalibrationError
from reid_ros.cli import main
from reid_ros.config import Config, TopologyConfig
from reid_ros.pipeline import Pipeline
from reid_ros.report.recorder import CameraRecord
from reid_ros.types import Detections, Frame

PICTURE = np.zeros((480, 640, 3), np.uint8)
SPREAD = 40.0  # degrees between two drawn people


def people(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors that stand SPREAD degrees apart, each from each."""
    common = np.zeros(64)
    common[0] = np.sqrt(np.cos(np.radians(SPREAD)))
    vectors = np.tile(common, (count, 1))
    vectors[np.arange(count), 1 + np.arange(count) + seed] = np.sqrt(1 - common[0] ** 2)
    return vectors.astype(np.float32)


def walk(collector: Collector, cameras: dict[str, np.ndarray], frames: int = 60) -> None:
    """Let everybody stand in a row, each camera showing its own people, at 10 frames a second."""
    rng = np.random.default_rng(1)
    for index in range(frames):
        shots = []
        for camera, vectors in cameras.items():
            x = 20 + 120 * np.arange(len(vectors))
            boxes = np.stack([x, x * 0 + 50, x + 60, x * 0 + 250], 1).astype(np.float32)
            noisy = vectors + rng.normal(0, 0.01, vectors.shape).astype(np.float32)
            noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
            found = Detections(boxes, np.full(len(boxes), 0.9, np.float32), noisy)
            shots.append(Frame(camera, index * 100_000_000, PICTURE, index, detections=found))
        collector.step(shots)


def collector(*cameras: str, unlisted: str = 'may_overlap') -> Collector:
    records = [CameraRecord(name, name, 10.0) for name in cameras]
    return Collector(Pipeline(Config()), TopologyConfig(unlisted=unlisted), records)


def test_people_side_by_side_teach_how_alike_strangers_are() -> None:
    site = collector('hall')
    walk(site, {'hall': people(5)})
    found = site.fit(CAUTIOUS)
    assert found.same_pairs == 10
    assert found.cross_pairs == 0
    old, new = CAUTIOUS.same_camera.impostor, found.calibration.same_camera.impostor
    assert SPREAD - 1 < new.mean < old.mean  # pulled from 50 towards the 40 degrees drawn
    assert found.calibration.cross_camera == CAUTIOUS.cross_camera


def test_a_site_keeps_the_shape_of_the_tail_of_strangers() -> None:
    site = collector('hall')
    walk(site, {'hall': people(5)})
    old = CAUTIOUS.same_camera
    left = ((-3.5, -3.1), (-2.4, -2.3), (0.1, 0.0))
    known = replace(CAUTIOUS, same_camera=replace(old, impostor=replace(old.impostor, left=left)))
    new = site.fit(known).calibration.same_camera.impostor
    assert new.left == left
    assert new.mean < old.impostor.mean


def test_one_person_teaches_how_alike_they_stay() -> None:
    site = collector('hall')
    walk(site, {'hall': people(3)}, frames=100)
    found = site.fit(CAUTIOUS)
    assert found.tracks == 3
    assert found.calibration.same_camera.genuine.mean < CAUTIOUS.same_camera.genuine.mean


def test_cameras_without_common_ground_teach_across_cameras() -> None:
    site = collector('hall', 'garage', unlisted='apart')
    walk(site, {'hall': people(2), 'garage': people(2, seed=10)})
    found = site.fit(CAUTIOUS)
    assert found.cross_pairs == 4
    assert found.calibration.cross_camera.impostor != CAUTIOUS.cross_camera.impostor
    assert found.calibration.cross_camera.genuine == CAUTIOUS.cross_camera.genuine


def test_cameras_that_may_overlap_prove_nothing_across() -> None:
    site = collector('hall', 'door')
    walk(site, {'hall': people(3), 'door': people(3)})
    assert site.fit(CAUTIOUS).cross_pairs == 0


def test_few_people_do_not_make_strangers_seem_more_alike_than_known() -> None:
    site = collector('hall')
    walk(site, {'hall': people(4)})
    new = site.fit(CAUTIOUS).calibration.same_camera.impostor
    assert new.sd >= CAUTIOUS.same_camera.impostor.sd


def test_footage_of_one_person_is_refused_with_what_is_missing() -> None:
    site = collector('hall')
    walk(site, {'hall': people(1)})
    with pytest.raises(CalibrationError, match=r'0 pairs of people side by side.*record longer'):
        site.fit(CAUTIOUS)


def test_a_camera_whose_clock_jumped_does_not_mix_up_its_tracks() -> None:
    site = collector('hall')
    walk(site, {'hall': people(3)})
    site.reset_camera('hall')
    walk(site, {'hall': people(3, seed=20)})
    assert site.fit(CAUTIOUS).same_pairs == 6  # three before, three after, none between


def test_bags_and_videos_are_not_calibrated_together(tmp_path, capsys) -> None:
    out = tmp_path / 'site.json'
    status = main(['calibrate', 'a.mcap', 'b.mp4', '--out', str(out)])
    assert status == 2
    assert 'either bags or videos' in capsys.readouterr().err
    assert not out.exists()


def test_the_file_is_read_back_as_it_was_fitted(tmp_path) -> None:
    from reid_ros.calibration import Calibration

    site = collector('hall')
    walk(site, {'hall': people(4)})
    fitted = site.fit(CAUTIOUS).calibration
    path = tmp_path / 'site.json'
    path.write_text(json.dumps(fitted.to_json()))
    assert Calibration.read(path) == fitted

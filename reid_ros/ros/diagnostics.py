"""What /diagnostics and `events` say, in words and with the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from reid_ros.budget import LEVELS, Budget
from reid_ros.config import Config
from reid_ros.types import Event, ReidError

if TYPE_CHECKING:
    from reid_ros.ros.cameras import Camera

COUNTS = (
    'received', 'processed', 'dropped_by_policy', 'thinned', 'undecodable', 'bad_stamps', 'jumps',
    'resolution_changes', 'unmatched', 'bad_detections', 'no_odometry', 'no_camera_info',
)  # fmt: skip
OVERRUN_HINT = (
    'images are lost although they are sent again: the publisher keeps too few of them (history '
    'depth) for as long as this machine is busy; raise its depth, or take load off the machine'
)
LOST_HINT = (
    'images are lost on the way: the segment of the *publisher* counts; start the camera driver '
    'with FASTRTPS_DEFAULT_PROFILES_FILE (from Kilted on FASTDDS_...) set to config/fastdds.xml; '
    'publishing reliably instead brings what was lost, but up to seconds late'
)
LATE_HINT = (
    'images arrive {:.0f} ms after their stamp, too late to be used: what does not fit into the '
    'segment of the *publisher* is sent again seconds later; start the camera driver with '
    'FASTRTPS_DEFAULT_PROFILES_FILE (from Kilted on FASTDDS_...) set to config/fastdds.xml, or '
    'set transport: compressed'
)
OLD_HINT = (
    'images arrive {:.0f} s after their stamp: synchronise the clocks of the hosts, or play the '
    'bag with --clock and set use_sim_time'
)
OLD_S = 5.0  # no middleware holds images back for so long


def pairs(values: Mapping[str, Any]) -> list[KeyValue]:
    """Key-value pairs of a status."""
    return [KeyValue(key=key, value=_text(value)) for key, value in values.items()]


def _text(value: Any) -> str:
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def percentiles_ms(latencies_s: Iterable[float]) -> tuple[float, float]:
    """p50 and p95, milliseconds; nan where nothing was measured."""
    values = list(latencies_s)
    if not values:
        return float('nan'), float('nan')
    p50, p95 = np.percentile(values, [50, 95]) * 1e3
    return float(p50), float(p95)


def camera_status(node: str, camera: Camera, config: Config, now_s: float) -> DiagnosticStatus:
    """One camera: rates, latency, losses, and what is wrong with it."""
    health = camera.health
    p50, p95 = percentiles_ms(list(health.latencies))
    early, late = percentiles_ms(list(health.ages))
    lost = max(camera.images.lost, camera.missing)
    values = {
        'topic': camera.images.topic,
        'reliability': 'reliable' if camera.images.reliable else 'best_effort',
        'publishers': camera.images.publishers(),
        'input_rate_hz': health.rate_hz(now_s),
        'arrival_p50_ms': early,
        'arrival_p95_ms': late,
        'latency_p50_ms': p50,
        'latency_p95_ms': p95,
        **{name: health.counts[name] for name in COUNTS},
        'qos_mismatches': camera.images.mismatches,
        'lost_before_slot': lost,
        'lost_said_by_middleware': camera.images.lost,
        'lost_by_stamp_gaps': camera.missing,
    }
    status = DiagnosticStatus(name=f'{node}: {camera.name}', hardware_id=camera.name)
    status.values = pairs(values)
    error, warnings = _wrong(camera, config, lost, (early, late), p95)
    if error:
        status.level, status.message = DiagnosticStatus.ERROR, '; '.join([error, *warnings])
    elif warnings:
        status.level, status.message = DiagnosticStatus.WARN, '; '.join(warnings)
    else:
        status.level, status.message = DiagnosticStatus.OK, 'images arrive'
    return status


def _wrong(
    camera: Camera, config: Config, lost: int, ages_ms: tuple[float, float], p95_ms: float
) -> tuple[str, list[str]]:
    """What stops the camera, or '', and what else is to be mended."""
    health, (early_ms, late_ms) = camera.health, ages_ms
    warnings = health.problems()
    if camera.images.mismatches:
        warnings.append(camera.images.problem)
    if lost > 0.02 * (health.counts['received'] + lost) and lost > 5:
        warnings.append(OVERRUN_HINT if camera.images.reliable else LOST_HINT)
    if early_ms > 1e3 * OLD_S:
        warnings.append(OLD_HINT.format(early_ms * 1e-3))
    elif config.max_latency_s and late_ms > 1e3 * config.max_latency_s:
        warnings.append(LATE_HINT.format(late_ms))
    elif config.max_latency_s and p95_ms > 1e3 * config.max_latency_s:
        warnings.append(
            f'results come {p95_ms:.0f} ms after the image: lower max_rate_hz or take a '
            'smaller model'
        )
    silent = camera.silent_s()
    if silent < config.silent_after_s:
        return '', warnings
    if not camera.images.publishers():
        kind = 'CompressedImage' if camera.config.transport == 'compressed' else 'Image'
        return (
            f'nobody publishes {camera.images.topic} as sensor_msgs/{kind}: start the camera, or '
            f'set cameras.{camera.name}.image_topic and transport',
            warnings,
        )
    if not health.counts['received']:
        return f'{camera.images.topic} has a publisher that never sent an image', warnings
    return f'no image for {silent:.0f} s: the camera stopped; look at its driver', warnings


def budget_facts(budget: Budget) -> Mapping[str, str]:
    """What is given up now, and how much of the time each kind of work asks for."""
    if not budget.limit_s:
        return {'given_up': '', 'given_up_level': '0', 'given_up_reason': 'max_latency_s is 0'}
    demand = budget.demand()
    parts = ', '.join(f'{kind} {100 * share:.0f} %' for kind, share in demand.items())
    total = 100 * sum(demand.values())
    return {
        'given_up': ', '.join(LEVELS[1 : budget.level + 1]),
        'given_up_level': str(budget.level),
        'given_up_reason': f'work asks for {total:.0f} % of the time: {parts}',
    }


def given_up(budget: Budget | None, camera: str) -> Mapping[str, Any]:
    """Of one camera, the share of each kind of work that was given up, lately and in numbers."""
    if budget is None:
        return {}
    counts = budget.counts(camera)
    result: dict[str, Any] = {}
    for kind, share in budget.shares(camera).items():
        result[f'given_up_{kind}'] = share
        for name in ('wanted', 'given_up'):
            result[f'{kind}_{name}'] = counts.get(f'{kind}_{name}', 0)
    return result


def node_status(
    name: str, state: str, problem: str, facts: Mapping[str, Any], cost_s: Mapping[str, float]
) -> DiagnosticStatus:
    """The node itself: its state, models, gallery and where the time goes."""
    status = DiagnosticStatus(name=f'{name}: node', hardware_id='')
    values = dict(facts)
    values.update({f'cost_{stage}_ms': 1e3 * seconds for stage, seconds in cost_s.items()})
    status.values = pairs({'state': state, **values})
    fallbacks = [str(v) for key, v in facts.items() if key.endswith(('_fallback', '_error'))]
    if problem:
        status.level, status.message = DiagnosticStatus.ERROR, problem
    elif fallbacks:
        status.level, status.message = DiagnosticStatus.WARN, '; '.join(fallbacks)
    elif facts.get('given_up'):
        status.level = DiagnosticStatus.WARN
        status.message = (
            f'{state}, under load: {facts["given_up"]} given up; {facts["given_up_reason"]}; '
            'lower max_rate_hz, use fewer cameras or smaller models'
        )
    else:
        status.level, status.message = DiagnosticStatus.OK, state
    return status


def publish_events(
    publisher: Any, events: Sequence[Event], headers: Iterable[Header], names: Mapping[int, str]
) -> None:
    """Tell what happened to persons in one moment, where anything did.

    Args:
        publisher: of DiagnosticArray.
        events: of the moment.
        headers: of its images; the latest gives the stamp.
        names: of the persons.
    """
    if not events:
        return
    told = DiagnosticArray(status=[event_status(event, names) for event in events])
    told.header.stamp = max(
        (header.stamp for header in headers),
        key=lambda stamp: (stamp.sec, stamp.nanosec),
        default=told.header.stamp,
    )
    publisher.publish(told)


def event_status(event: Event, names: Mapping[int, str]) -> DiagnosticStatus:
    """One event of a person."""
    name = names.get(event.person, '')
    who = f'person {event.person}' + (f' ({name})' if name else '')
    was = f', was {event.previous}' if event.previous else ''
    where = f' at {event.camera}' if event.camera else ''
    status = DiagnosticStatus(
        level=DiagnosticStatus.OK, name=event.kind, hardware_id=str(event.person)
    )
    status.message = f'{who} {event.kind}{where}{was}'
    status.values = pairs(
        {
            'kind': event.kind,
            'person': event.person,
            'name': name,
            'camera': event.camera,
            'track': event.track,
            'previous': event.previous,
            'score': event.score,
            'margin': event.margin,
            'stamp_ns': event.stamp_ns,
        }
    )
    return status


def status_event(status: DiagnosticStatus) -> Event:
    """The event that `event_status` told.

    Raises:
        ReidError: the status tells no event.
    """
    told = {value.key: value.value for value in status.values}
    try:
        return Event(
            told['kind'],
            int(told['person']),
            int(told['stamp_ns']),
            told['camera'],
            int(told['track']),
            int(told['previous']),
            float(told['score']),
            float(told['margin']),
        )
    except (KeyError, ValueError) as error:
        raise ReidError(f'status {status.name!r} tells no event: {error}') from error


def image_topics(seen: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, str]]:
    """Topics that carry images and their transport, raw or compressed, by name."""
    kinds = {'sensor_msgs/msg/Image': 'raw', 'sensor_msgs/msg/CompressedImage': 'compressed'}
    return sorted((topic, kinds[kind]) for topic, found in seen for kind in found if kind in kinds)


def advice(topics: Sequence[tuple[str, str]]) -> str:
    """The lines of YAML that would use these topics."""
    if not topics:
        return 'no image topic is visible: start the cameras, or compare ROS_DOMAIN_ID'
    # Two transports of one picture are one camera.
    raw = {topic for topic, transport in topics if transport == 'raw'}
    used = [(t, how) for t, how in topics if how == 'raw' or t.rsplit('/', 1)[0] not in raw]
    names = [f'cam{i}' for i in range(1, len(used) + 1)]
    lines = [
        '/**:',
        '  ros__parameters:',
        f'    camera_names: [{", ".join(names)}]',
        '    cameras:',
    ]
    for name, (topic, transport) in zip(names, used):
        lines += [f'      {name}:', f'        image_topic: {topic}']
        if transport == 'compressed':
            lines.append('        transport: compressed')
    seen = '\n'.join(f'  {topic} ({transport})' for topic, transport in topics)
    return f'image topics that are visible:\n{seen}\nwrite this into the cameras file:\n' + (
        '\n'.join(lines)
    )

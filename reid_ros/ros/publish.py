"""A camera that is none: publishes a still picture at a steady rate, for tests and measurements.

`python -m reid_ros.ros.publish cam1 [cam2 ...] [--rate 30] [--size 640x480] [--compressed]
[--best-effort] [--seconds N | --images N]`
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from reid_ros.ros import picture
from reid_ros.ros.convert import byte_array
from reid_ros.types import UInt8Array

# Of ROS 2's default QoS, which camera drivers mostly have.
DEPTH = 10


def scene(height: int, width: int) -> UInt8Array:
    """A (height, width, 3) picture with enough texture to make a JPEG of usual size."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height)), np.uint8)


def message(image: UInt8Array, camera: str, *, compressed: bool) -> Any:
    """The picture as the message of a camera; its stamp is 0."""
    if compressed:
        result: Any = picture.jpeg(Image().header, image)
    else:
        height, width = image.shape[:2]
        result = Image(height=height, width=width, encoding='bgr8', step=3 * width)
        result.data = byte_array(image)
    result.header.frame_id = f'{camera}_optical'
    return result


def publish(node: Node, args: argparse.Namespace) -> int:
    """Publish until the end; returns how many images each camera sent."""
    width, height = (int(part) for part in args.size.split('x'))
    reliability = ReliabilityPolicy.BEST_EFFORT if args.best_effort else ReliabilityPolicy.RELIABLE
    profile = QoSProfile(depth=DEPTH, reliability=reliability)
    kind, suffix = (CompressedImage, '/compressed') if args.compressed else (Image, '')
    image = scene(height, width)
    cameras = [
        (
            node.create_publisher(kind, f'{name}/image{suffix}', profile),
            message(image, name, compressed=args.compressed),
        )
        for name in args.cameras
    ]
    _await_subscribers([publisher for publisher, _ in cameras], args.wait)
    start, sent = time.monotonic(), 0
    while sent != args.images and not (args.seconds and time.monotonic() - start > args.seconds):
        for publisher, camera in cameras:
            camera.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(camera)
        sent += 1
        pause = start + sent / args.rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
    # What is still on its way to a reliable subscriber dies with the publisher.
    time.sleep(args.linger)
    return sent


def _await_subscribers(publishers: Sequence[Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(publisher.get_subscription_count() for publisher in publishers):
            time.sleep(0.5)  # the other side may not have matched yet
            return
        time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish, then write {"camera": images sent} to standard output."""
    parser = argparse.ArgumentParser(prog='reid_ros.ros.publish', description=__doc__)
    parser.add_argument('cameras', nargs='+', help='names; the topics are NAME/image')
    parser.add_argument('--rate', type=float, default=30.0, help='images per second')
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--compressed', action='store_true')
    parser.add_argument('--best-effort', action='store_true')
    parser.add_argument('--images', type=int, default=-1, help='end after so many')
    parser.add_argument('--seconds', type=float, default=0.0, help='end after so long')
    parser.add_argument('--wait', type=float, default=10.0, help='seconds to wait for subscribers')
    parser.add_argument('--linger', type=float, default=1.0, help='seconds to stay at the end')
    args = parser.parse_args(arguments)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f'camera_{args.cameras[0]}')
    try:
        sent = publish(node, args)
    except KeyboardInterrupt:
        return 130
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    sys.stdout.write(json.dumps(dict.fromkeys(args.cameras, sent)) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())

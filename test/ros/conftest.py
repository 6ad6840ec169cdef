"""Each test has a ROS domain and context of its own; every wait ends."""

import itertools
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

from reid_ros.bench.node import profiled

collect_ignore_glob = []
try:
    import rclpy

    with warnings.catch_warnings():  # its parser is older than the Python
        warnings.simplefilter('ignore', DeprecationWarning)
        import rosidl_generator_py  # noqa: F401
except ImportError:
    collect_ignore_glob = ['test_*.py']

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs behind it deaf to SIGINT, and so are its children; nodes are not.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_NUMBERS = itertools.count(os.getpid() * 13)
TIMEOUT_S = 15.0


class Ros:
    """Nodes of one test on one executor.

    Attributes:
        domain: ROS domain of this test alone.
    """

    def __init__(self):
        from rclpy.executors import SingleThreadedExecutor

        self.domain = 1 + next(_NUMBERS) % 100
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=self.domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []
        self.processes = []
        self.node = self.add(rclpy.create_node('tester', context=self.context))

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def spin_until(self, condition, timeout_s=TIMEOUT_S, why=''):
        """Spin until condition() is true; fail where it does not become so in time."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f'not within {timeout_s} s: {why or condition}'
            self.executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def heard(self, kind, topic, **qos):
        """List that fills with the messages of a topic."""
        from rclpy.qos import QoSProfile

        messages = []
        self.node.create_subscription(kind, topic, messages.append, QoSProfile(depth=1000, **qos))
        return messages

    def publisher(self, kind, topic, **qos):
        from rclpy.qos import QoSProfile

        return self.node.create_publisher(kind, topic, QoSProfile(depth=50, **qos))

    def process(self, *arguments, tuned=True, **environment):
        """A Python process in this test's domain."""
        env = {**os.environ, 'ROS_DOMAIN_ID': str(self.domain), **environment}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=profiled(env, tuned=tuned),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def finished(self, process, timeout_s=30.0):
        """Exit status of a process; the nodes of the test go on meanwhile."""
        self.spin_until(lambda: process.poll() is not None, timeout_s, 'the process ends')
        return process.returncode

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
            process.stdout.close()
        for node in self.nodes:
            getattr(node, 'close', node.destroy_node)()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def ros():
    result = Ros()
    yield result
    result.close()

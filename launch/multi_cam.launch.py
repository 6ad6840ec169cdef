"""The node for several cameras: `ros2 launch reid_ros multi_cam.launch.py [cameras:=FILE]`.

sight.launch.py and identity.launch.py start the nodes of several machines by it.
"""

import os
import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from launch import LaunchDescription

# Fast DDS reads the first up to Jazzy and the second from Kilted on.
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# glibc gives an image's memory back and asks for it again, image by image, unless told not to.
ALLOCATOR = {
    'MALLOC_MMAP_THRESHOLD_': '67108864',
    'MALLOC_TRIM_THRESHOLD_': '268435456',
}


def environment(share):
    """What the node needs beyond the caller's environment; what the user has set stays."""
    wanted = dict(ALLOCATOR)
    if not any(os.environ.get(name) for name in PROFILES):
        wanted.update(dict.fromkeys(PROFILES, str(share / 'config' / 'fastdds.xml')))
    return {name: value for name, value in wanted.items() if not os.environ.get(name)}


def only_some(cameras, names):
    """A copy of the file of the cameras in which these stand alone: what the node would else call
    misspelt belongs to another machine."""
    from reid_ros.config import plain

    data = yaml.safe_load(cameras.read_text(encoding='utf-8')) or {}
    settings = dict(plain(data))
    blocks = settings.get('cameras') or {}
    listed = [*settings.get('camera_names', []), *blocks]
    missing = [name for name in names if name not in listed]
    if missing:
        raise ValueError(f'{", ".join(missing)}: no such camera in {cameras}; it has {listed}')
    settings['camera_names'] = names
    settings['cameras'] = {name: blocks[name] for name in names if name in blocks}
    settings.pop('topology', None)  # it may name the others
    for block in data.values():
        inner = block.get('ros__parameters', {}) if isinstance(block, dict) else {}
        settings.update({key: inner[key] for key in inner if key.startswith('qos_overrides')})
    if not settings['cameras']:
        del settings['cameras']
    with tempfile.NamedTemporaryFile(
        'w', prefix='reid_ros_', suffix='.yaml', delete=False, encoding='utf-8'
    ) as file:
        yaml.safe_dump({'/**': {'ros__parameters': settings}}, file)
    return Path(file.name)


def nodes(context):
    share = Path(get_package_share_directory('reid_ros'))
    cameras = Path(
        LaunchConfiguration('cameras').perform(context) or share / 'config/cameras.yaml'
    )
    if not cameras.is_file():
        return [Shutdown(reason=f'cameras:={cameras}: no such file')]
    names = LaunchConfiguration('only').perform(context).replace(',', ' ').split()
    if names:
        try:
            cameras = only_some(cameras, names)
        except ValueError as error:
            return [Shutdown(reason=f'only:={",".join(names)}: {error}')]
    executable = LaunchConfiguration('executable').perform(context)
    reid = LifecycleNode(
        package='reid_ros',
        executable=executable,
        name=LaunchConfiguration('name'),
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            str(cameras),
            {
                'autostart': False,  # the event handlers below do it, on every distribution
                'use_sim_time': LaunchConfiguration('use_sim_time').perform(context) == 'true',
            },
        ],
        additional_env=environment(share),
        output='screen',
        emulate_tty=True,
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', str(share / 'config' / 'reid.rviz')],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    started = RegisterEventHandler(
        OnProcessStart(
            target_action=reid,
            on_start=[_change(reid, Transition.TRANSITION_CONFIGURE)],
        ),
        condition=IfCondition(LaunchConfiguration('autostart')),
    )
    configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=reid,
            start_state='configuring',
            goal_state='inactive',
            entities=[
                LogInfo(msg=f'{executable} is configured'),
                _change(reid, Transition.TRANSITION_ACTIVATE),
            ],
        ),
        condition=IfCondition(LaunchConfiguration('autostart')),
    )
    return [started, configured, reid, rviz]


def _change(node, transition):
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='YAML file of the cameras; empty takes config/cameras.yaml',
            ),
            DeclareLaunchArgument(
                'executable',
                default_value='reid_node',
                choices=['reid_node', 'sight_node', 'identity_node'],
                description='the whole, or the part of it that runs on this machine',
            ),
            DeclareLaunchArgument(
                'only',
                default_value='',
                description='names of the cameras of the file that are used here, separated by '
                'commas; empty takes all',
            ),
            DeclareLaunchArgument('name', default_value='reid_node', description='of the node'),
            DeclareLaunchArgument('namespace', default_value='', description='of the node'),
            DeclareLaunchArgument(
                'autostart',
                default_value='true',
                description='configure and activate the node at start',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='take the time from /clock',
            ),
            DeclareLaunchArgument(
                'rviz', default_value='false', description='show the people in RViz'
            ),
            OpaqueFunction(function=nodes),
        ]
    )

"""The node beside the cameras of one machine: `ros2 launch reid_ros sight.launch.py only:=NAMES`.

One file of cameras serves all machines: each says which of the cameras are its own.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

# Handed on to multi_cam.launch.py as they are.
SHARED = ('cameras', 'only', 'name', 'namespace', 'autostart', 'use_sim_time')


def generate_launch_description():
    share = Path(get_package_share_directory('reid_ros'))
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='YAML file of the cameras, the same on all machines; empty takes '
                'config/cameras.yaml',
            ),
            DeclareLaunchArgument(
                'only',
                default_value='',
                description='names of the cameras of this machine, separated by commas; empty '
                'takes all',
            ),
            DeclareLaunchArgument(
                'name',
                default_value='sight_node',
                description='of the node; another one on each machine',
            ),
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
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(share / 'launch' / 'multi_cam.launch.py')),
                launch_arguments=[
                    ('executable', 'sight_node'),
                    *((name, LaunchConfiguration(name)) for name in SHARED),
                ],
            ),
        ]
    )

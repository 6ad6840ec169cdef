"""The node that knows the people of all machines: `ros2 launch reid_ros identity.launch.py`.

It hears the tables of the sight nodes (sight.launch.py) that run beside the cameras.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

# Handed on to multi_cam.launch.py as they are.
SHARED = ('cameras', 'name', 'namespace', 'autostart', 'use_sim_time', 'rviz')


def generate_launch_description():
    share = Path(get_package_share_directory('reid_ros'))
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='YAML file of the cameras of all machines; empty takes '
                'config/cameras.yaml',
            ),
            DeclareLaunchArgument(
                'name', default_value='identity_node', description='of the node'
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
            DeclareLaunchArgument(
                'rviz', default_value='false', description='show the people in RViz'
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(share / 'launch' / 'multi_cam.launch.py')),
                launch_arguments=[
                    ('executable', 'identity_node'),
                    *((name, LaunchConfiguration(name)) for name in SHARED),
                ],
            ),
        ]
    )

"""Follow one person: `ros2 launch reid_ros follow.launch.py cameras:=FILE`.

Starts what multi_cam.launch.py starts, and a controller: `follow_node` (the default; it knows of
no obstacle), Nav2's FollowObject (`controller:=nav2`, needs a running Nav2), or none.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

# Handed on to multi_cam.launch.py as they are.
SHARED = ('cameras', 'name', 'namespace', 'use_sim_time', 'rviz')


def nodes(context):
    share = Path(get_package_share_directory('reid_ros'))

    def value(name):
        return LaunchConfiguration(name).perform(context)

    settings = [value('follow')] if value('follow') else []
    missing = [path for path in settings if not Path(path).is_file()]
    if missing:
        return [Shutdown(reason=f'follow:={missing[0]}: no such file')]
    sim = {'use_sim_time': value('use_sim_time') == 'true'}
    reid = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share / 'launch' / 'multi_cam.launch.py')),
        launch_arguments=[(name, value(name)) for name in SHARED if value(name)],
    )
    result = [reid]
    if value('controller') == 'follow_node':
        result.append(
            Node(
                package='reid_ros',
                executable='follow_node',
                namespace=LaunchConfiguration('namespace'),
                parameters=[*settings, sim],
                remappings=[('cmd_vel', LaunchConfiguration('cmd_vel'))],
                output='screen',
                emulate_tty=True,
            )
        )
    elif value('controller') == 'nav2':
        result.append(
            Node(
                package='reid_ros',
                executable='follow_object',
                namespace=LaunchConfiguration('namespace'),
                parameters=[sim],
                output='screen',
                emulate_tty=True,
            )
        )
    return result


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='YAML file of the cameras, with target.mode and whom to follow',
            ),
            DeclareLaunchArgument(
                'follow',
                default_value='',
                description='YAML file with the parameters of follow_node, e.g. keep_m',
            ),
            DeclareLaunchArgument(
                'controller',
                default_value='follow_node',
                choices=['follow_node', 'nav2', 'none'],
                description='what drives the base; follow_node knows of no obstacle',
            ),
            DeclareLaunchArgument(
                'cmd_vel', default_value='cmd_vel', description='topic of the commands'
            ),
            DeclareLaunchArgument('name', default_value='reid_node', description='of the node'),
            DeclareLaunchArgument('namespace', default_value='', description='of the nodes'),
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

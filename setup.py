from pathlib import Path

from setuptools import find_packages, setup

NAME = 'reid_ros'
# colcon build --symlink-install runs a link to this file from its build folder.
HERE = Path(__file__).resolve().parent


def shared(folder):
    """(target, files) of every file below a folder, for share/reid_ros."""
    return [
        (f'share/{NAME}/{path.relative_to(HERE)}', files)
        for path in [HERE / folder, *sorted((HERE / folder).rglob('*'))]
        if path.is_dir() and path.name != '__pycache__'
        if (files := [str(f.relative_to(HERE)) for f in sorted(path.iterdir()) if f.is_file()])
    ]


setup(
    name=NAME,
    version='0.1.0',
    description='One identity per person across all cameras of a robot.',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    author='reid_ros maintainers',
    author_email='maintainers@reid-ros.example',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'weights/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared('launch'),
        *shared('config'),
    ],
    python_requires='>=3.10',
    # numpy, OpenCV and scipy come from the ROS distribution (package.xml): a wheel from PyPI over
    # them breaks cv_bridge. Outside ROS, ask for them: pip install 'reid_ros[standalone]'.
    install_requires=['setuptools'],
    extras_require={
        'standalone': [
            'numpy>=1.21',
            'scipy>=1.8',
            'opencv-python-headless>=4.5',
            'PyYAML>=5.4',
            'onnxruntime>=1.15',
            'rosbags>=0.11.7',
        ],
        # For `reid_ros train`, `prune` and `export`, never on a robot.
        'train': [
            'torch>=2.6',
            'torch-pruning>=1.6',
            'safetensors>=0.4',
            'onnx',
            'onnxscript>=0.5',
            'onnxruntime>=1.15',
            'matplotlib',
            'tensorboard',
        ],
        'test': ['pytest'],
    },
    zip_safe=True,
    entry_points={
        'console_scripts': [
            'reid_ros = reid_ros.cli:main',
            'follow_node = reid_ros.ros.follow:main',
            'follow_object = reid_ros.ros.follow_object:main',
            'reid_node = reid_ros.ros.node:main',
            'sight_node = reid_ros.ros.sight_node:main',
            'identity_node = reid_ros.ros.identity_node:main',
        ],
    },
)

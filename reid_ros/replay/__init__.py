"""Sources of frames: videos, image folders, webcams and ROS 2 bags, without ROS."""

"""The node: the only room that loads rclpy."""

"""Speed and identity benchmarks behind `reid_ros bench`."""

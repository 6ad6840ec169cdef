"""Gait: networks of silhouettes, what they learn by, and how they leave for a robot."""

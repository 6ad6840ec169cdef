"""One identity per person across all cameras of a robot."""

__version__ = '0.1.0'

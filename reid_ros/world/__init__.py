"""A rendered world of people and cameras whose truth is known exactly. numpy and OpenCV only.

Everything in it follows from a seed: the same scenario, split and seed give the same bytes.
"""

"""Run a network on TensorRT itself: build an engine, prove it, keep it, run it.

`native.load` is the door. What is decided stands in plain functions (plan, half, proof, progress,
store); only build, run and cuda touch what a machine without a GPU does not have.
"""

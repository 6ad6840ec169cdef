"""Beside the tests, so that the builders in this folder can be imported from every folder."""

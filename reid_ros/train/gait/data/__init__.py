"""Walks to learn from and to be scored on: the rendered world's, and the public sets'."""

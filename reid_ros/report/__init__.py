"""Sinks of a run: annotated videos, MOT text, identities.json and a page for people."""

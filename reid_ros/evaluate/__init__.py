"""Scores against truth: who was seen where, who was who, and for how long."""

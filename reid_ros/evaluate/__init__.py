"""Scores against truth: tracking, identity over time, saved runs."""

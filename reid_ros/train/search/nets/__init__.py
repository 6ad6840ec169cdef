"""Networks of person search."""

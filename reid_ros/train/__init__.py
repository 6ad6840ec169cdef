"""Training of the networks that a robot runs; the only place of torch."""

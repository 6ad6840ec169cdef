"""What must be true of the world before anything that is measured on it counts."""

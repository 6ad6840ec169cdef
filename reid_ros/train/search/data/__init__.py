"""Pictures with people in them, to learn person search from and to score it on."""

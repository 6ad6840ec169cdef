"""Silhouette networks: pictures of people with their masks, a small network, its training."""

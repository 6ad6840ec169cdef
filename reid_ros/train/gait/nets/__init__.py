"""Networks of silhouettes: encoders of frames or walks, parts of the body, one vector."""

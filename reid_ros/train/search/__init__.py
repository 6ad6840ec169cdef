"""Person search: one network that finds people and tells them, and how it is trained."""

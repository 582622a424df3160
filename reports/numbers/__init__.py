"""Numbers of a sweep and their statistics."""

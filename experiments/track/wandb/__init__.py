"""Weights & Biases: the live tracker, files on disk, and replay to a server."""

"""Finished runs used again: weights loaded, explained and replayed."""

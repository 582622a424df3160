"""Drawings of a sweep's numbers, each a matplotlib figure with its caption."""

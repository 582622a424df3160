"""The section of a search."""

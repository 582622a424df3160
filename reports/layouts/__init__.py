"""The tables of a report, each from a sweep's numbers."""

"""Run directories read: results, curves, diagnoses."""

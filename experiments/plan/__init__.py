"""A sweep planned: run ids, cohorts, and what they cost, asked of the built models."""

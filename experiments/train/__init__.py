"""One process: a planned cohort in, journals and results out."""

"""Training: one loop over one stream of batches for a cohort of runs."""

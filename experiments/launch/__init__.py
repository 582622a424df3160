"""Where cohorts run: a protocol, a launcher a file, and the scheduler that drives any of them."""

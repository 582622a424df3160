"""What is on disk: the store of runs, their files, journals and leases. The only room that reports read."""

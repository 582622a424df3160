"""The engine: sweeps planned, runs launched, journals kept. See `store` for what is on disk."""

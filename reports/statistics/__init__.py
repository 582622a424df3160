"""Statistics of a handful of seeds; nothing here knows of sweeps."""

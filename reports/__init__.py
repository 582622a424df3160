"""Reports of sweeps: numbers read from run directories, and tables, drawings and pages of them."""

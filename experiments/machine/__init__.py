"""What this machine is and has in use."""

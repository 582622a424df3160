"""Other libraries, each imported by one file alone, and only when it is asked for."""

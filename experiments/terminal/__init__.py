"""What a terminal shows: launches, status, tables."""

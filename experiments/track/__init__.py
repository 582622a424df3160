"""Where the progress of a run is shown while it goes on: a protocol, and a file for each place."""

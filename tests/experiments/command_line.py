"""What typing the `distilpose` command comes to."""

Said = tuple[int, str, str]
"""Its exit code, what it prints, and what it tells the user."""

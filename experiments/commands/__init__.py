"""What the `distilpose` command can do: a file for each command or family of commands."""

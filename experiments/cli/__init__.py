"""The `distilpose` command, the roof: one file a command or family of commands."""

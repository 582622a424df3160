"""What a part is: a loss, model or metric in a file, read without running it and loaded from a kept copy."""

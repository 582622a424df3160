"""What the suite costs, each figure a comparison of two things measured in one run: `distilpose bench`."""

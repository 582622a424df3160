"""How synthetic people are drawn: a posed body, paint, scenery."""

"""What recipes stand for in the science: models, data and schedules built from them."""

"""Trained models on anybody's pictures and videos: from files and boxes to poses."""

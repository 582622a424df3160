"""What a model sees and says, as pictures: attention, heatmaps, skeletons with confidence."""

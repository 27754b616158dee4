"""What the references give on one small model and two images, kept as arrays, and ours beside it."""

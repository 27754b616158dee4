"""Timings beside tf-keras-vis, Xplique and bare TensorFlow: `make bench` and `make bench-peers`."""

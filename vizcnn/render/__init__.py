"""The one image-rendering backend: arrays to pixels (`image`), pixels to figures (`figure`)."""

"""The one image-rendering backend: arrays to pixels (`image`), panels to figures (`maps`). It knows no result."""

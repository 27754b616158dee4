"""Takes the pictures of the explorer that the docs show: `python -m tests.explorer.photograph`."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

import vizcnn as vz
from tests.browser.chromium import chromium
from tests.explorer.look import Look, explorer

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WALK = ["#/image?image=3", "#/image?image=3&target=8", "#/image?image=3&target=3 minus 8&method=saliency", "#/layers?image=3",
        "#/layer/conv2?image=3", "#/layer/conv2/unit/3?image=3"]  # fmt: skip
SIZE = {"width": 1100, "height": 800}


def main() -> None:
    """Write the picture, and a short walk through the views."""
    with (
        chromium() as browser,
        explorer("digits_cnn.keras", vz.assets.digits_cnn, vz.assets.digits()) as server,
        Look(browser, server, viewport=SIZE) as look,
    ):
        shots = []
        for link in WALK:
            look.go(link)
            look.page.wait_for_timeout(3000)
            shots.append(look.page.screenshot())
    (IMAGES / "explorer.png").write_bytes(shots[0])
    first, *others = [Image.open(io.BytesIO(shot)).convert("RGB").resize((880, 640)) for shot in shots]
    first.save(IMAGES / "explorer.webp", save_all=True, append_images=others, duration=1800, loop=0, quality=60)


if __name__ == "__main__":
    main()

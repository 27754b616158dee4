"""Random clicks, keys and links, the same for the same seed."""

from __future__ import annotations

import gc
import random
import re
import time
from pathlib import Path

from playwright.sync_api import Error, Page

CONTROLS = "main a[href^='#'], nav a, main button, main summary, main canvas, main input:not([type=file]), main select"
KEYS = ("Tab", "Enter", "Escape", "ArrowRight", "ArrowDown", "Shift+ArrowLeft", "j", "k", "f", "1", "+", "0", "Space")
LEFT_OUT = re.compile("Take a photo|Choose an image")
"""Controls that open a window of the system."""


def click_around(page: Page, seconds: float, seed: int) -> int:
    """Do what comes for so long; return how much was done."""
    choose, end, done = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        controls = page.locator(CONTROLS).filter(visible=True).filter(has_not_text=LEFT_OUT)
        try:
            act = choose.random()
            count = controls.count()
            if act < 0.15 or not count:
                page.keyboard.press(choose.choice(KEYS))
            elif act < 0.2:
                page.go_back(timeout=1000)
                if page.url == "about:blank":  # before the first view
                    page.go_forward(timeout=1000)
            else:
                control = controls.nth(choose.randrange(count))
                if control.evaluate("one => one.tagName") == "SELECT":
                    options = control.locator("option").count()
                    control.select_option(index=int(choose.random() * options), timeout=500)
                elif control.get_attribute("download") is None:
                    control.click(timeout=500)
            done += 1
        except Error:  # it went away, or lies under another
            if page.is_closed():
                raise
        page.wait_for_timeout(choose.randrange(150))
    return done


def memory() -> int:
    """Return the bytes that this process, which runs the explorer too, holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

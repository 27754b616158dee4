"""What the columns of a run's rows mean: said here, and shown by the explorer and the docs."""

from __future__ import annotations

from collections.abc import Iterable

from vizcnn.measures import registry

OF_IMAGES = {
    "path": "where the image lies in the source of the run",
    "sha256": "the hash of its file, by which it is known again",
    "label": "its true class, where the source says one",
    "label_class": "the same as the class's number",
    "target": "what was explained",
    "target_class": "the same as the class's number",
    "target_probability": "how probable that is to the model, 0 to 1",
    "score": "the number that was explained: what the model puts out for the target, before its softmax or sigmoid",
    "prediction": "the class that the model says",
    "predicted_class": "the same as the class's number",
    "probability": "how sure the model is of the class that it says, 0 to 1",
    "top_labels": "the five most probable classes",
    "top_classes": "the same as numbers",
    "top_probabilities": "how probable these are, 0 to 1",
    "error": "why the image couldn't be read",
}
"""Columns of each image."""

OF_MAPS = {
    "scale": "the largest magnitude in its map, which the kept map is divided by",
    "mass": "the sum of all magnitudes in its map: how much it marks at all",
    "positive": "the share of the mass that speaks for the target, 0 to 1; the rest speaks against it",
    "entropy": "how widely the mass is spread: 1 evenly over the image, 0 at a single place",
    "border": "the share of the mass in the outer tenth of the image, 0 to 1: where it is high, look for what lies at the edges",
    "centroid_row": "where the mass lies on the average, from the upper edge, 0, to the lower, 1",
    "centroid_column": "where the mass lies on the average, from the left edge, 0, to the right, 1",
    "centroid_depth": "where the mass lies on the average, from the first slice or frame, 0, to the last, 1",
    "centroid_time": "where the mass lies on the average, from the beginning, 0, to the end, 1",
    "notes": "the kinds of notes on its map",
    "error": "why there is no map",
}
"""Columns of each image and method, behind the method's name and a point."""

OF_METHODS = {
    "completeness gap": "what the map's values add up to, less what they should add up to; the nearer to 0 the better",
    "standard error": "how far the map would be another one by other random numbers, as a share of it; low is good",
    "samples": "how many samples were taken before the map was steady enough",
    "chance": "what chance alone makes of a place's value: only higher ones mean something",
    "R2": "the share of the score's variance that the method's linear model explains; high is good",
    "score lost": "the image's score, less that of what is left of it; little where the mask shows all that decides",
    "runs": "the share of all positions that the model was asked about",
    "foretold": "how well the positions that were asked about foretold the others, as a rank correlation; high is good",
}
"""Numbers that some methods give to their maps, as columns of the method."""


def meanings_of(methods: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """Return what columns mean.

    Parameters
    ----------
    methods : iterable of str
        The methods of the run.
    columns : iterable of str
        The columns, those of a method as ``gradcam.mass``.

    Returns
    -------
    dict of str to str
        Those whose meaning is known.

    Examples
    --------
    >>> from vizcnn.runs.columns import meanings_of
    >>> meanings_of(["gradcam"], ["prediction", "gradcam.error", "gradcam.of another package"])
    {'prediction': 'the class that the model says', 'gradcam.error': 'why there is no map'}
    """
    found = {}
    for column in columns:
        method = max((one for one in methods if column.startswith(f"{one}.")), key=len, default=None)
        meaning = OF_IMAGES.get(column) if method is None else _of_map(column.removeprefix(f"{method}."))
        if meaning is not None:
            found[column] = meaning
    return found


def _of_map(name: str) -> str | None:
    if name in OF_MAPS or name in OF_METHODS:
        return OF_MAPS.get(name) or OF_METHODS[name]
    metric = name.split(":", 1)[0]
    if metric not in registry.metrics():
        return None
    known = registry.get(metric)
    summary = known.summary.removeprefix("Return ").rstrip(".")
    return f"{summary}; {'high' if known.better == 'high' else 'low'} is good"

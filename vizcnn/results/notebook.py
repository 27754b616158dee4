"""What a notebook shows of maps of which it was asked how far they can be trusted."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape

from vizcnn.algorithms.trust import Trust


def told_below(picture: bytes, told: Iterable[tuple[str, Trust]]) -> str:
    """Return a picture with what is known of its maps below it.

    Parameters
    ----------
    picture : bytes
        The picture, a PNG.
    told : iterable of (str, Trust)
        What each map is called, "" where there is one, and how far it can be trusted.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.results.notebook import told_below
    >>> result = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", trust=True)["saliency"]
    >>> told_below(b"", [("three", result.trust[0])])[:75]
    '<img src="data:image/png;base64,"><p><b>three: no better than a spot in the'
    """
    heads = ((f"{name}: {trust.label}" if name else trust.label, trust) for name, trust in told)
    below = (f"<p><b>{escape(head)}</b></p>{trust._repr_html_()}" for head, trust in heads)
    return f'<img src="data:image/png;base64,{b64encode(picture).decode()}">{"".join(below)}'

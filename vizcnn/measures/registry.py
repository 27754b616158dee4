"""The installed metrics: found, listed, and looked up by name.

vizcnn's own are the modules beside this one. Packages add theirs by an entry point in the group ``vizcnn.metrics``.
"""

from __future__ import annotations

from vizcnn.measures.metric import Metric
from vizcnn.registry import Registry

GROUP = "vizcnn.metrics"
"""The entry-point group of metrics from other packages."""

INSTALLED: Registry[Metric] = Registry("metric", "vizcnn.measures", GROUP)


def get(name: str) -> Metric:
    """Return a metric by name.

    Parameters
    ----------
    name : str
        What it is asked for by.

    Returns
    -------
    Metric

    Raises
    ------
    MethodError
        If there is none.

    Examples
    --------
    >>> from vizcnn.measures import registry
    >>> registry.get("deletion").options
    {'num_steps': 20, 'baseline': 'mean', 'seed': 0}
    """
    return INSTALLED.get(name)


def metrics() -> tuple[str, ...]:
    """Return the names of the installed metrics.

    Returns
    -------
    tuple of str
        vizcnn's own, and those that other packages registered.

    Examples
    --------
    >>> import vizcnn as vz
    >>> "deletion" in vz.metrics()
    True
    """
    return INSTALLED.names()

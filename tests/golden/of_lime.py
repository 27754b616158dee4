"""Ask lime: `python -m tests.golden.of_lime`, in the environment that `make golden` sets up."""

from __future__ import annotations

from functools import partialmethod

import numpy as np
import tqdm.auto
from lime import lime_image

from tests.golden import store
from tests.golden.model import TARGETS, given, logits_of, torch_model

NUM_SAMPLES = 200


def main() -> None:
    """Write what lime gives."""
    tqdm.auto.tqdm.__init__ = partialmethod(tqdm.auto.tqdm.__init__, disable=True)
    logits, arrays = logits_of(torch_model()), given()
    segments = arrays.segments.astype(int)
    found: dict[str, tuple[str, np.ndarray]] = {}
    for name, color in (("segments' means", None), ("0", 0)):
        maps, scores = [], []
        for image, label in zip(arrays.images, TARGETS, strict=True):
            explainer = lime_image.LimeImageExplainer(feature_selection="none", random_state=0)
            drawn = explainer.random_state.get_state()
            explained = explainer.explain_instance(
                image.astype(np.float64),
                logits,
                labels=(label,),
                top_labels=None,
                hide_color=color,
                num_samples=NUM_SAMPLES,
                segmentation_fn=lambda _: segments,
                random_seed=0,
            )
            weights = dict(explained.local_exp[label])
            maps.append(np.array([weights[each] for each in range(9)]))
            scores.append(explained.score)
            explainer.random_state.set_state(drawn)
            shown = explainer.random_state.randint(0, 2, NUM_SAMPLES * 9).reshape(NUM_SAMPLES, 9)
        setting = f"nine segments, 200 samples, the hidden are {name}, all features, the logit"
        found[f"LimeImageExplainer, {name}"] = (setting, np.stack(maps))
        found[f"LimeImageExplainer, {name}, score"] = (f"its score, R²: {setting}", np.array(scores))
    found["its samples"] = ("which segments are shown, but for the first sample", shown[1:])
    store.keep("lime", found, ("scikit-learn", "torch", "numpy"))


if __name__ == "__main__":
    main()

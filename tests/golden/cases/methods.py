"""Our methods beside those of each reference: as they are, or with the one thing set alike that differs on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from tests.golden.cases import alike
from tests.golden.cases.alike import explained
from tests.golden.cases.case import Case, Ours
from tests.golden.model import LAYER, given
from tests.golden.store import golden


def _raw(method: str, **options: Any) -> Ours:
    return lambda: explained(method, **options).raw


def _values(method: str, **options: Any) -> Ours:
    return lambda: explained(method, **options).values


def _shapley_values() -> np.ndarray:
    segments = given().sixths.astype(int)
    return explained("kernel_shap", segments=segments, num_samples=62, baseline=0.0).values


def _captum() -> Iterator[Case]:
    def case(method: str, name: str, ours: Ours, *more: Any, **words: Any) -> Case:
        return Case(method, "captum", name, ours, *more, **words)

    yield case("saliency", "Saliency", lambda: np.abs(explained("saliency").raw))
    yield case("saliency", "Saliency, signed", _raw("saliency"))
    yield case("saliency:rule=guided", "GuidedBackprop", _raw("saliency", rule="guided"))
    yield case("saliency:rule=relu", "Deconvolution", _raw("saliency", rule="relu"))
    yield case("gradient_x_input", "InputXGradient", _raw("gradient_x_input"))
    way = "IntegratedGradients, gausslegendre, 50 steps, baseline "
    for color in (0, 0.5):
        yield case("integrated_gradients", f"{way}{color}", _raw("integrated_gradients", baseline=color))
    yield case("integrated_gradients", f"{way}an image", alike.from_the_other)
    trapezoid = partial(alike.from_the_other, quadrature="trapezoid")
    yield case(
        "integrated_gradients:quadrature=trapezoid",
        "IntegratedGradients, riemann_trapezoid, 50 steps, baseline an image",
        lambda: trapezoid() * 49 / 50,
        "its weights add up to 49/50, so the map is smaller by as much",
        trapezoid,
    )
    for statistic, kind in (("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")):
        yield case("smoothgrad", f"NoiseTunnel, {kind}", lambda statistic=statistic: alike.smoothed(statistic))
    guided = _raw("guided_gradcam", layer=LAYER)
    yield case("guided_gradcam", "GuidedGradCam, bilinear", guided)
    yield case(
        "guided_gradcam", "GuidedGradCam, nearest", alike.to_nearest, "it enlarges the map by the nearest value", guided
    )
    yield case("gradcam", "LayerGradCam", lambda: explained("gradcam", layer=LAYER).raw[..., None])
    for patch, stride in ((4, 4), (5, 2)):
        hidden = {"patch_size": patch, "stride": stride, "baseline": 0.0}
        yield case(
            "occlusion",
            f"Occlusion, {patch} x {patch}, stride {stride}",
            lambda hidden=hidden: alike.three(explained("occlusion", **hidden).values),
        )
    hidden = {"patch_size": 4, "stride": 4, "baseline": 0.0}
    yield case("occlusion", "FeatureAblation", lambda: alike.three(explained("occlusion", **hidden).values))
    yield case("kernel_shap", "ShapleyValues", lambda: alike.three(_shapley_values()))
    yield case(
        "kernel_shap",
        "KernelShap",
        lambda: alike.three(_shapley_values()),
        "it draws coalitions, with replacement; ours takes each once where they are few",
        lambda: alike.three(_shapley_values()),
        within=0.1,
    )


def _saliency() -> Iterator[Case]:
    def case(method: str, name: str, ours: Ours, *more: Any, **words: Any) -> Case:
        return Case(method, "saliency", name, ours, *more, **words)

    yield case("saliency", "GradientSaliency", _raw("saliency"))
    means = "all points of its ways count alike, their ends too"
    yield case(
        "integrated_gradients",
        "IntegratedGradients",
        alike.all_alike,
        means,
        alike.from_the_other,
    )
    for statistic in ("mean", "square"):
        yield case("smoothgrad", f"SmoothGrad, {statistic}", lambda statistic=statistic: alike.smoothed(statistic))
    yield case("guided_ig", "GuidedIG", _raw("guided_ig", num_steps=50))
    yield case("guided_ig", "GuidedIG, wide", _raw("guided_ig", num_steps=50, fraction=0.1, max_distance=0.2))
    yield case(
        "blur_ig",
        "BlurIG",
        alike.blurred,
        "black beyond the edges; the derivative over .01 pixels, of equal steps",
        _raw("blur_ig", max_sigma=3),
        within=5e-3,
    )
    yield case("xrai", "XRAI", alike.regions, means, alike.regions_as_they_are)


def _grad_cam() -> Iterator[Case]:
    def case(method: str, name: str, ours: Ours, *more: Any, **words: Any) -> Case:
        return Case(method, "grad-cam", name, ours, *more, **words)

    same = {
        "gradcam": "GradCAM",
        "gradcam_plus_plus": "GradCAMPlusPlus",
        "hirescam": "HiResCAM",
        "layercam": "LayerCAM",
        "xgradcam": "XGradCAM",
    }
    for method, name in same.items():
        yield case(method, name, _raw(method, layer=LAYER))
        shown = lambda method=method: alike.from_0_to_1(explained(method, layer=LAYER).values)  # noqa: E731
        yield case(method, f"{name}, shown", shown)
    yield case("finercam", "FinerCAM, detached", _raw("finercam", layer=LAYER))
    yield case(
        "finercam",
        "FinerCAM",
        alike.through_probabilities,
        "it lets the gradient go through the rivals' probabilities",
        _raw("finercam", layer=LAYER),
    )
    for method, name in (("eigencam", "EigenCAM"), ("eigengradcam", "EigenGradCAM")):

        def turned(method: str = method, name: str = name, center: bool = False) -> np.ndarray:
            grads = alike.maps_and_gradients()
            values = grads.values * (grads.gradients if method == "eigengradcam" else 1)
            maps = alike.centered(values) if center else explained(method, layer=LAYER).raw
            return alike.with_sign_of(maps, golden("grad-cam").arrays[name])

        yield case(
            method,
            name,
            lambda turned=turned: turned(center=True),
            "it takes the channels' means away; its sign is chance",
            turned,
        )
    yield case(
        "fem",
        "FEM",
        alike.shares_above,
        "it multiplies the feature maps by the share of their places above the threshold",
        _raw("fem", layer=LAYER),
    )
    yield case(
        "scorecam",
        "ScoreCAM",
        alike.seen_through,
        "it enlarges the feature maps with their corners aligned",
        _raw("scorecam", layer=LAYER, baseline=0.0),
    )
    yield case(
        "ablationcam",
        "AblationCAM",
        lambda: (found := explained("ablationcam", layer=LAYER)).raw / found.scores[:, None, None],
        "it divides by the score, which here is negative on one image",
        _raw("ablationcam", layer=LAYER),
    )

    yield case(
        "fullgrad",
        "FullGrad",
        alike.each_channel_alike,
        "it brings every channel to 0..1 by itself, not every layer",
        _values("fullgrad"),
    )


def _xplique() -> Iterator[Case]:
    def case(method: str, name: str, ours: Ours, *more: Any, **words: Any) -> Case:
        return Case(method, "xplique", name, ours, *more, **words)

    yield case("saliency", "Saliency", _values("saliency"))
    yield case(
        "integrated_gradients:quadrature=trapezoid",
        "IntegratedGradients",
        lambda: alike.from_the_other(quadrature="trapezoid").sum(axis=-1),
    )
    yield case("gradcam", "GradCAM", lambda: np.maximum(explained("gradcam", layer=LAYER).raw, 0))
    yield case(
        "gradcam_plus_plus",
        "GradCAMPP",
        alike.plus_plus_of_means,
        "it takes means for both sums",
        lambda: np.maximum(explained("gradcam_plus_plus", layer=LAYER).raw, 0),
    )
    yield case("fem", "FEM", _raw("fem", layer=LAYER))
    apart = {"patch_size": 4, "stride": 4, "baseline": 0.0}
    yield case("occlusion", "Occlusion, 4 x 4, stride 4", _values("occlusion", **apart))
    beside = _values("occlusion", patch_size=4, stride=2, baseline=0.0)
    yield case(
        "occlusion",
        "Occlusion, 4 x 4, stride 2",
        lambda: beside() * alike.covers(4, 2),
        "a pixel gets the sum over the windows that cover it, so the middle is brighter",
        beside,
    )
    yield case("rise", "Rise", alike.masked)
    yield case("sobol", "Sobol", alike.dimmed)
    count = len(given().shown)
    yield case(
        "hsic",
        "Hsic",
        lambda: alike.hidden_segments(np.median) * (count - 1) ** 2 / count,
        "the width of its kernel is the median score, not the median distance of two; it divides by n",
        lambda: alike.hidden_segments(None),
    )


def _lime() -> Iterator[Case]:
    for name, baseline in (("segments' means", "segment_mean"), ("0", 0.0)):
        reference = f"LimeImageExplainer, {name}"
        yield Case("lime", "lime", reference, lambda baseline=baseline: alike.lime(baseline))
        yield Case("lime", "lime", f"{reference}, score", lambda baseline=baseline: alike.lime(baseline, "R2"))


def _shap() -> Iterator[Case]:
    yield Case("kernel_shap", "shap", "KernelExplainer", lambda: alike.shapley(_shapley_values()))
    yield Case("partition_shap", "shap", "PartitionExplainer", alike.owen)
    yield Case("expected_gradients", "shap", "GradientExplainer", alike.from_a_background)


METHODS = tuple(case for cases in (_captum, _saliency, _grad_cam, _xplique, _lime, _shap) for case in cases())
"""All cases of methods."""

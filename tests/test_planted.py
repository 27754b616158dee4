"""Which method finds which planted cause: each finds it, or is as blind to it as is written here and in the docs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import planted
from tests.framework import needs_tensorflow
from tests.planted import BLIND, CAUSES, FINDS, PARTLY, SIDE, Cause, found

PAGE = Path(__file__).parents[1] / "docs" / "planted_evidence.md"

LETTERS = {"f": FINDS, "p": PARTLY, "-": BLIND}

EXPECTED = {
    "blur_ig": "fff--f",
    "expected_gradients": "ffff-f",
    "fullgrad": "ff--ff",
    "gradient_x_input": "ff--f-",
    "guided_gradcam": "ff--ff",
    "guided_ig": "fff-f-",
    "integrated_gradients": "fff-f-",
    "integrated_gradients:baseline=white": "ffff-f",
    "saliency": "ff--ff",
    "saliency:rule=guided": "ff--ff",
    "smoothgrad": "ff--ff",
    "xrai": "fff---",
    "ablationcam": "pff-f-",
    "eigencam": "----f-",
    "eigengradcam": "fp--ff",
    "fem": "p-----",
    "finercam": "-f--f-",
    "gradcam": "pf--f-",
    "gradcam_plus_plus": "pf--f-",
    "hirescam": "ff--ff",
    "layercam": "ff--ff",
    "scorecam": "--p-f-",
    "xgradcam": "pf--f-",
    "extremal_perturbation": "ff---p",
    "hsic": "fpp--f",
    "kernel_shap": "fff-ff",
    "lime": "fff-ff",
    "occlusion": "ff--ff",
    "occlusion:baseline=black": "ff--f-",
    "occlusion:baseline=white": "ff-f-f",
    "partition_shap": "fff-ff",
    "rise": "fff-pf",
    "sobol": "fff--f",
}
"""For each method a letter for each cause, in the order of `CAUSES`: it finds it, finds it partly, or is blind to it (-)."""

pytestmark = needs_tensorflow  # whose answers those of other backends equal; once is enough


def as_letters(method: str) -> str:
    by_verdict = {verdict: letter for letter, verdict in LETTERS.items()}
    return "".join(by_verdict[each.verdict] for each in planted.measure(method))


# The model ------------------------------------------------------------------------------------------------------------------


def test_each_class_has_the_same_logit_on_the_image_of_its_cause() -> None:
    scores = planted.model().scores(planted.images(), list(range(len(CAUSES))))
    np.testing.assert_allclose(scores, 5, rtol=1e-4)


def scores_without(cause: int, *corners: tuple[int, int], color: float | tuple[float, ...] = 0.4) -> float:
    """Return the score of a cause's class on its image with some patches painted over."""
    image = CAUSES[cause].image.copy()
    for row, column in corners:
        image[row : row + 6, column : column + 6] = color
    return float(planted.model().scores(image[None], cause)[0])


def test_score_falls_when_the_cause_is_taken_away_and_not_by_anything_else() -> None:
    names = [cause.name for cause in CAUSES]
    corner, both, either, absence, mean, black = range(len(names))
    whole = pytest.approx(5, rel=1e-4)
    assert scores_without(corner, (0, 0)) == pytest.approx(0, abs=1e-4)
    assert scores_without(corner, planted.SECOND, planted.BESIDE) == whole
    for corners in ((planted.FIRST,), (planted.SECOND,)):  # one of the two is as good as none
        assert scores_without(both, *corners) == pytest.approx(0, abs=1e-4)
        assert scores_without(either, *corners) == whole  # and here as good as both
    assert scores_without(either, planted.FIRST, planted.SECOND) == pytest.approx(0, abs=1e-4)
    assert scores_without(absence, planted.SECOND, color=1.0) < 2
    assert scores_without(absence, planted.SECOND, color=0.0) == whole
    assert scores_without(black, (14, 3), color=1.0) < 1  # beside the white the convolution sees a little black
    assert scores_without(black, planted.BESIDE, color=0.0) == whole
    image = CAUSES[mean].image
    dimmed = planted.model().scores(np.stack([image * 0.5, image]), [mean, mean])
    assert dimmed[0] == pytest.approx(dimmed[1] / 2, rel=1e-3)


# The measure ----------------------------------------------------------------------------------------------------------------


def test_share_is_what_lies_in_the_patch_and_its_margin() -> None:
    cause = Cause("a patch", np.zeros((SIDE, SIDE, 3), np.float32), ((3, 3),))
    values = np.zeros((SIDE, SIDE))
    values[1:11, 1:11], values[20:, 20:] = 0.03, 1 / 16
    values[15, 15] = -9  # what speaks against the class is no mass
    assert found(cause, values).share == pytest.approx(0.75)
    assert found(cause, values).area == pytest.approx(100 / 576)
    assert found(cause, np.ones_like(values)).better == pytest.approx(0)
    assert found(cause, np.zeros_like(values)).verdict == BLIND


def test_map_of_one_of_two_patches_has_found_half() -> None:
    cause = Cause("two", np.zeros((SIDE, SIDE, 3), np.float32), ((3, 3), (14, 14)))
    values = np.zeros((SIDE, SIDE))
    values[4:6, 4:6] = 1
    assert found(cause, values).share == 0.5
    values[16:18, 16:18] = 1
    assert found(cause, values).share == 1
    assert found(cause, values).verdict == FINDS


def test_cause_that_is_the_whole_image_is_found_by_an_even_map() -> None:
    cause = Cause("all", np.zeros((SIDE, SIDE, 3), np.float32), ())
    noise = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    assert found(cause, np.ones((SIDE, SIDE))).share == 1
    assert abs(found(cause, noise).better) < 0.1
    assert found(cause, noise).verdict == BLIND


# The methods ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", planted.methods())
def test_method_finds_what_it_is_expected_to_find_and_nothing_else(method: str) -> None:
    is_now = f"{method!r}: {as_letters(method)!r}"
    assert method in EXPECTED, f"Nothing is expected of this method yet. If it is right so, add to EXPECTED: {is_now}"
    assert as_letters(method) == EXPECTED[method], (
        f"Now {is_now}; {planted.table([method])}. If it is right so, change EXPECTED, and write the docs anew: "
        f"python -m tests.planted --markdown docs/planted_evidence.md"
    )


def test_nothing_is_expected_of_methods_that_are_gone() -> None:
    assert set(EXPECTED) - set(planted.methods()) == set()


def test_table_in_the_docs_is_what_is_computed() -> None:
    rows = planted.written(PAGE.read_text(encoding="utf-8"))
    assert list(rows) == planted.methods(), "python -m tests.planted --markdown docs/planted_evidence.md"
    for method, row in rows.items():
        measured = planted.measure(method)
        assert [verdict for _, verdict in row] == [each.verdict for each in measured], method
        # Sums are rounded otherwise on another processor.
        shares = [100 * each.share for each in measured]
        np.testing.assert_allclose([share for share, _ in row], shares, atol=2, err_msg=method)

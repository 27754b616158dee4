"""Verdicts: each kind from numbers written by hand, and what is read off curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vizcnn.algorithms.trust import FILLS, Trust
from vizcnn.algorithms.verdicts import VERDICTS, Faithfulness, judge


def faithful(value: float, edges: float = 0.3, center: float = 0.1, **fields: bool) -> Faithfulness:
    return Faithfulness(value, {"edges": edges, "center": center, "random": 0.0}, threshold=0.05, moved=1.0, **fields)


GOOD, LIKE_EDGES, LIKE_CENTER = faithful(0.5), faithful(0.3), faithful(0.5, center=0.49)
NONE, BAD, FLAT = faithful(0.04), faithful(-0.06), faithful(0.0, is_flat=True)


@pytest.mark.parametrize(
    ("by_fill", "road", "kind"),
    [
        ([GOOD, GOOD], None, "better"),
        ([GOOD, GOOD], 0.1, "better"),
        ([GOOD, GOOD], -0.1, "chance_by_fill"),  # the third fill says the opposite
        ([GOOD, GOOD], 0.0, "chance_by_fill"),
        ([GOOD, NONE], None, "chance_by_fill"),
        ([NONE, GOOD], None, "chance_by_fill"),
        ([GOOD, FLAT], None, "better"),  # one that says nothing
        ([LIKE_EDGES, LIKE_EDGES], 0.1, "edges"),
        ([LIKE_EDGES, GOOD], 0.1, "edges_by_fill"),
        ([LIKE_CENTER, LIKE_CENTER], 0.1, "center"),
        ([LIKE_CENTER, GOOD], 0.1, "center_by_fill"),
        ([LIKE_CENTER, LIKE_EDGES], 0.1, "edges_by_fill"),
        ([NONE, NONE], 0.3, "chance"),
        ([NONE, BAD], None, "chance"),
        ([BAD, BAD], None, "worse"),
        ([BAD, BAD], -0.1, "worse"),
        ([BAD, BAD], 0.1, "chance"),
        ([FLAT, FLAT], 0.0, "flat"),
        ([], None, "flat"),
    ],
)
def test_verdict_follows_from_the_numbers(by_fill, road, kind):
    assert judge(by_fill, road).kind == kind
    assert judge(by_fill, road, is_blank=True).kind == "blank"


def test_every_kind_has_a_label_and_a_sentence_without_jargon():
    for kind, verdict in VERDICTS.items():
        assert verdict.kind == kind
        assert len(verdict.label) < 45  # it stands under a picture
        assert verdict.sentence.endswith(".")
        assert not any(word in verdict.sentence for word in ("AUC", "insertion", "baseline", "null", "score"))


def curves_of(*differences: float) -> np.ndarray:
    """Return curves of maps, (maps, 2, 4), whose first pixels are worth so much more than their last ones, at every share."""
    curves = np.full((len(differences), 2, 4), 0.2)
    curves[:, 0] += np.array(differences)[:, None]
    return curves


def test_numbers_are_read_off_the_curves():
    read = Faithfulness.of(curves_of(0.5, 0.25, -0.1, 0.1, -0.1))
    assert read.value == pytest.approx(0.4)  # of the area's five parts the ends have half a share each
    assert read.nulls == pytest.approx({"edges": 0.2, "center": -0.08, "random": 0.0})
    assert read.moved == pytest.approx(0.6)
    assert read.threshold == pytest.approx(0.08 * stats.t.ppf(0.98, 4))
    assert read.beats == {"chance", "edges", "center"}
    many = curves_of(0, 0, 0, *[0.1, -0.1] * 4)
    assert Faithfulness.of(many).threshold == pytest.approx(0.08 * stats.t.ppf(0.98, 16))
    many[3:, 0] += np.array([0.3, -0.3, 0.3, -0.3])  # large at each share, and nothing over all of them
    assert Faithfulness.of(many).threshold == pytest.approx(0.08 * stats.t.ppf(0.98, 8))
    assert Faithfulness.of(curves_of(0.29, 0.25, -0.1, 0.1, -0.1)).beats == {"edges", "center"}


def test_a_lead_of_a_hair_is_none():
    read = Faithfulness.of(curves_of(0.51, 0.5, 0.0, 0.0, 0.0))
    assert read.threshold == pytest.approx(0.02 * 0.51)
    assert read.beats == {"chance", "center"}


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0, np.nan])
def test_score_that_does_not_move_tells_nothing(value):
    curves = np.full((5, 2, 4), value)
    assert judge([Faithfulness.of(curves)] * 2).kind == "flat"
    moved = curves.copy()
    moved[0, 0, 0] += 1
    assert judge([Faithfulness.of(moved)] * 2).kind == ("flat" if np.isnan(value) else "better")


def result(value: float = 0.5, **measures: float) -> Trust | None:
    numbers = {f"insertion minus deletion ({fill})": np.array([0.0, value]) for fill in FILLS}
    numbers |= {name.replace("standard_", "standard "): np.array([0.0, number]) for name, number in measures.items()}
    one = np.stack([curves_of(0, 0, 0, 0, 0), curves_of(value, 0.2, 0.1, 0.02, -0.02)])
    return Trust.of(numbers, {f"kept pixels {fill}": one for fill in FILLS}, 1)


def test_trust_is_read_back_for_one_image():
    trust = result(road=0.2, randomization=0.1, standard_error=0.07, edges=0.3)
    assert trust is not None
    assert trust.verdict.kind == "better"
    assert trust.numbers == pytest.approx(
        {
            "insertion minus deletion (mean)": 0.4,
            "insertion minus deletion (blur)": 0.4,
            "road": 0.2,
            "randomization": 0.1,
            "standard error": 0.07,
        }
    )
    assert trust.caption.splitlines() == [
        "better than chance and edges",
        "ins. - del. 0.40 mean / 0.40 blur",
        "road 0.20, randomization 0.10, standard error 0.07",
    ]
    assert "with other samples it would differ by about 7%" in trust.sentence
    assert "gives another map, as it should (likeness 0.10 of 1)" in trust.sentence
    assert trust.to_dict()["verdict"] == "better"
    assert trust.to_dict()["nulls"]["insertion minus deletion (mean)"] == pytest.approx(
        {"edges": 0.16, "center": 0.08, "random": 0.0}
    )


def test_result_that_was_not_asked_for_trust_has_none():
    assert Trust.of({"road": np.array([1.0])}, {"deletion curve": np.zeros((1, 21))}, 0) is None


def test_likenesses_are_said_from_their_limits_on():
    high, low = result(randomization=0.51, edges=0.61), result(randomization=0.5, edges=0.6)
    assert high is not None
    assert low is not None
    assert "gives much the same map (likeness 0.51 of 1)" in high.sentence
    assert "It looks much like the edges in the image (likeness 0.61 of 1)." in high.sentence
    assert high.label == "better than chance and edges; much like an untrained model's map"
    assert high.caption.splitlines()[1] == "much like an untrained model's map"
    assert low.label == low.verdict.label
    assert "another map, as it should" in low.sentence
    assert "looks much like" not in low.sentence


def test_number_that_was_not_measured_is_left_out():
    trust = result()
    assert trust is not None
    assert list(trust.numbers) == ["insertion minus deletion (mean)", "insertion minus deletion (blur)"]
    assert trust.caption == "better than chance and edges\nins. - del. 0.40 mean / 0.40 blur"


def test_undefined_numbers_are_none_and_are_called_so():
    blank = result(np.nan, road=np.nan, randomization=np.nan, edges=np.nan)
    assert blank is not None
    assert blank.verdict.kind == "blank"
    assert set(blank.numbers.values()) == {None}
    assert set(blank.others.values()) == {None}
    assert "undefined mean / undefined blur" in blank.caption
    assert blank.sentence == VERDICTS["blank"].sentence

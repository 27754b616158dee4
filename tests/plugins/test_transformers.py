"""Rollout, Chefer's attribution and LeGrad against their formulas in NumPy, on a tiny transformer written in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from tests.vit import BLOCKS, SHAPE, Twin, adapted, vit
from vizcnn.errors import CapabilityError, OptionError
from vizcnn.targets import Channel

METHODS = ("attention_rollout", "transformer_attribution", "legrad")
X = images(3, SHAPE)
TARGETS = [0, 2, 1]


def close(ours: np.ndarray, theirs: Any, tolerance: float = 2e-4) -> None:
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=0, atol=tolerance * np.abs(theirs).max())


def read(tokens: np.ndarray, extra: int) -> np.ndarray:
    """Return what the score reads of rows, for the patches."""
    return (tokens[0] if extra else tokens.mean(axis=0))[extra:]


def rollout(image: np.ndarray, extra: int) -> np.ndarray:
    twin = Twin(image, extra=extra)
    followed = np.eye(twin.count)
    for attention in twin.run(0)[1]:
        followed = (attention.mean(axis=0) / 2 + np.eye(twin.count) / 2) @ followed
    return read(followed, extra)


def chefer(image: np.ndarray, target: int, extra: int) -> np.ndarray:
    twin = Twin(image, extra=extra)
    relevance = np.eye(twin.count)
    for number, attention in enumerate(twin.run(target)[1]):
        positive = np.maximum(twin.gradient(target, number) * attention, 0).mean(axis=0)
        relevance = relevance + positive @ relevance
    return read(relevance - np.eye(twin.count), extra)


def legrad(image: np.ndarray, target: int, extra: int, *, per_block: bool = True) -> np.ndarray:
    twin = Twin(image, extra=extra)
    layers_ = [
        np.maximum(twin.gradient(target, number, number if per_block else None), 0).mean(axis=(0, 1))
        for number in range(BLOCKS)
    ]
    return np.mean(layers_, axis=0)[extra:]


# Their formulas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "extra"),
    [("layer", 0), pytest.param("layer", 1, marks=pytest.mark.slow), ("by hand", 1), ("in one go", 0), ("block", 1)],
)
def test_they_are_their_formulas_however_the_attention_is_written(kind: str, extra: int) -> None:
    model = adapted(kind, extra=extra)
    close(vz.attention_rollout(model, X, TARGETS).raw, [rollout(image, extra) for image in X])
    pairs = list(zip(X, TARGETS, strict=True))
    close(vz.transformer_attribution(model, X, TARGETS).raw, [chefer(image, target, extra) for image, target in pairs])
    result = vz.legrad(model, X, TARGETS)
    assert result.options["per_block"] is True
    close(result.raw, [legrad(image, target, extra) for image, target in pairs])


def test_gradient_of_the_score_itself_is_taken_where_that_is_asked_for() -> None:
    model = adapted()
    result = vz.legrad(model, X, TARGETS, per_block=False)
    close(result.raw, [legrad(image, target, 1, per_block=False) for image, target in zip(X, TARGETS, strict=True)])
    assert not np.allclose(result.raw, vz.legrad(model, X, TARGETS).raw, atol=1e-3 * result.raw.max())
    scores = model.scores(X, TARGETS)
    np.testing.assert_allclose(vz.legrad(model, X, TARGETS).scores, scores, atol=1e-5)  # those of the whole model


def test_predicted_class_is_that_of_the_whole_model_for_every_block() -> None:
    model = adapted()
    predicted = vz.legrad(model, X)
    np.testing.assert_allclose(predicted.raw, vz.legrad(model, X, list(predicted.classes)).raw, atol=1e-6)


def test_score_that_goes_round_the_last_block_has_one_gradient_for_all() -> None:
    base = vit(extra=0)
    early, late = base.get_layer("mlp_0").output, base.layers[-1].input
    both = layers.Concatenate()([layers.GlobalAveragePooling1D()(early), late])
    model = vz.adapt(keras.Model(base.input, layers.Dense(3)(both)))
    result = vz.legrad(model, X, 1)
    assert result.options["per_block"] is False
    np.testing.assert_allclose(result.raw, vz.legrad(model, X, 1, per_block=False).raw, atol=1e-6)


# Laws -----------------------------------------------------------------------------------------------------------------------


def test_shares_of_all_tokens_add_up_to_one() -> None:
    assert vz.attention_rollout(adapted(extra=0), X).raw.sum(axis=(1, 2)) == pytest.approx([1, 1, 1], abs=1e-5)
    result = vz.attention_rollout(adapted(), X)
    class_token = [1 - rollout(image, 1).sum() for image in X]
    assert result.raw.sum(axis=(1, 2)) + class_token == pytest.approx([1, 1, 1], abs=1e-5)


def test_rollout_of_one_layer_is_half_its_attention_and_half_the_token_itself() -> None:
    model = adapted(extra=0, blocks=1)
    attention = model.attentions(X, 0).values[0].mean(axis=1)
    close(vz.attention_rollout(model, X).raw, ((attention + np.eye(4)) / 2).mean(axis=1))


def test_rollout_is_the_same_for_every_class_and_the_others_are_not() -> None:
    model = adapted()
    ours = {name: [getattr(vz, name)(model, X, target).raw for target in (0, 1)] for name in METHODS}
    np.testing.assert_allclose(*ours["attention_rollout"], atol=1e-6)
    assert not np.allclose(*ours["transformer_attribution"], rtol=1e-2)
    assert not np.allclose(*ours["legrad"], rtol=1e-2)


def looks_at_bright_patches() -> Any:
    """Return a model of 4x4 patches that all look at the brightest one, and of a class that is how bright it is."""
    image = keras.Input((12, 12, 1))
    x = layers.Reshape((16, 4))(layers.Conv2D(4, 3, strides=3)(image))
    x = layers.MultiHeadAttention(1, 1, name="attention")(x, x)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    weights = [np.zeros_like(array) for array in model.get_weights()]
    weights[0][:, :, 0, 0] = 1 / 9  # channel 0: brightness
    weights[3][:] = 1  # each asks the same,
    weights[4][0] = 20  # is answered by brightness,
    weights[6][0] = 1  # and passes brightness on
    weights[8][..., 0] = 1
    weights[10][0, 1] = 1
    model.set_weights(weights)
    return model


@pytest.mark.parametrize("method", METHODS)
def test_patch_that_all_look_at_is_the_bright_one(method: str) -> None:
    x = np.full((2, 12, 12, 1), 0.1, np.float32)
    x[0, 3:6, 6:9], x[1, 9:12, 0:3] = 1, 1
    result = getattr(vz, method)(looks_at_bright_patches(), x, 1)
    assert [divmod(int(raw.argmax()), 4) for raw in result.raw] == [(1, 2), (3, 0)]
    inside = [result.values[0, 3:6, 6:9].sum(), result.values[1, 9:12, 0:3].sum()]
    assert (inside > 0.25 * result.values.sum(axis=(1, 2))).all()


# Options --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
def test_heads_are_fused_as_asked(fusion: Any) -> None:
    model = adapted(extra=0)
    followed = np.eye(4)
    for attention in Twin(X[0], extra=0).run(0)[1]:
        mixed = getattr(attention, fusion)(axis=0) + np.eye(4)
        followed = mixed / mixed.sum(axis=1, keepdims=True) @ followed
    close(vz.attention_rollout(model, X[:1], head_fusion=fusion).raw, followed.mean(axis=0))


def test_lowest_share_of_each_layer_is_discarded() -> None:
    followed = np.eye(4)
    for attention in Twin(X[0], extra=0).run(0)[1]:
        fused = attention.mean(axis=0)
        fused[fused < np.sort(fused.ravel())[12]] = 0
        mixed = fused + np.eye(4)
        followed = mixed / mixed.sum(axis=1, keepdims=True) @ followed
    close(vz.attention_rollout(adapted(extra=0), X[:1], discard_ratio=0.75).raw, followed.mean(axis=0))


@pytest.mark.parametrize("method", METHODS)
def test_layers_before_the_first_that_counts_are_left_out(method: str) -> None:
    model, run = adapted(), getattr(vz, method)
    last = run(model, X, 0, start_layer=1).raw
    np.testing.assert_array_equal(last, run(model, X, 0, start_layer=-1).raw)
    assert not np.allclose(last, run(model, X, 0).raw, rtol=1e-2)
    with pytest.raises(
        OptionError, match=r"`start_layer` must be a whole number from -2 to 1, .* 2 attention layers; got 2"
    ):
        run(model, X, 0, start_layer=2)


def test_share_that_is_discarded_must_be_below_one() -> None:
    with pytest.raises(OptionError, match=r"`discard_ratio` must be a number from 0 on and below 1; got 1\.0"):
        vz.attention_rollout(adapted(), X, discard_ratio=1.0)


# Which models ---------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_tokens_beside_those_of_the_patches_are_left_out_and_told() -> None:
    result = vz.attention_rollout(vit(extra=3), X)
    assert result.raw.shape == (3, 2, 2)
    close(result.raw, [rollout(image, 3) for image in X])
    assert "the first 3 (class, distillation or register tokens) are left out" in " ".join(result.notes)


def test_map_is_placed_by_the_layer_that_makes_the_tokens() -> None:
    result = vz.attention_rollout(adapted(), X)
    assert (result.layer, result.signed, result.alone) == ("norm_0", False, False)
    assert result.values.shape == (3, 6, 6)


def test_model_from_a_file_answers_as_the_one_that_was_saved(tmp_path: Path) -> None:
    vit("block").save(tmp_path / "vit.keras")
    ours, theirs = vz.legrad(tmp_path / "vit.keras", X, 1), vz.legrad(adapted("block"), X, 1)
    assert ours.options["per_block"] is True
    np.testing.assert_allclose(ours.raw, theirs.raw, atol=1e-5)


def test_nothing_is_traced_anew_for_another_class_image_or_weight() -> None:
    model = vz.adapt(vit())
    for method in METHODS:
        getattr(vz, method)(model, X, 1)
    before, old = model.num_traces, vz.legrad(model, X[:2], 0).raw
    model.model.set_weights([1.1 * array for array in model.model.get_weights()])
    for method in METHODS:
        getattr(vz, method)(model, X[:2], 0)
    assert model.num_traces == before
    assert not np.allclose(vz.legrad(model, X[:2], 0).raw, old, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_models_without_attention_are_refused_before_they_are_run(method: str) -> None:
    needed = "needs attention among tokens, which model .* doesn't have, or doesn't show"
    with pytest.raises(CapabilityError, match=needed):
        getattr(vz, method)(vz.assets.digits_cnn(), vz.assets.digits())
    with pytest.raises(CapabilityError, match=needed):
        getattr(vz, method)(vz.adapt(lambda x: x[:, 0, 0], input_shape=SHAPE), X)


def test_score_that_does_not_depend_on_attention_is_refused() -> None:
    with pytest.raises(CapabilityError, match="doesn't depend on the attention"):
        vz.transformer_attribution(adapted(), X, Channel("patches", 1))

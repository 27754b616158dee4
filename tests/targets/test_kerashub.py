"""Tasks of KerasHub, tiny and with random weights: told by name, with their own preprocessing and their own anchors."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from vizcnn.targets import Box

hub = pytest.importorskip("keras_hub", reason="KerasHub isn't installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning"),  # maps of random weights may well be blank
]


def resnet(strides: list[int]) -> Any:
    return hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64] * len(strides),
        stackwise_num_blocks=[1] * len(strides),
        stackwise_num_strides=strides,
        block_type="basic_block",
        image_shape=(32, 32, 3),
    )


def picture(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def classifier() -> Any:
    converter = hub.layers.ResNetImageConverter(image_size=(32, 32), scale=[0.01, 0.02, 0.03], offset=[-1.0, 0.0, 0.5])
    preprocessor = hub.models.ResNetImageClassifierPreprocessor(image_converter=converter)
    return hub.models.ImageClassifier(backbone=resnet([1]), num_classes=4, preprocessor=preprocessor)


def test_classifier_is_given_what_its_own_preprocessor_makes(classifier: Any) -> None:
    wide = picture(32, 50)
    model = vz.adapt(classifier)
    assert any("pictures go through its own preprocessor: crop" in note for note in model.notes)
    inputs = vz.inputs.load(wide, model.input_shape, preprocess=model.preprocess).inputs(slice(None))
    np.testing.assert_allclose(
        model.outputs(inputs)[0], classifier.predict(wide[None], verbose=0), rtol=1e-3, atol=1e-3
    )
    for method in (vz.saliency, vz.gradcam):
        assert np.ptp(method(model, wide).values) > 0


def test_saved_task_is_loaded_and_its_class_imported_by_nobody_else(classifier: Any, tmp_path: Path) -> None:
    classifier.save(tmp_path / "task.keras")
    wide = picture(32, 50)
    np.testing.assert_allclose(
        vz.occlusion(tmp_path / "task.keras", wide, patch_size=16).scores,
        vz.occlusion(classifier, wide, patch_size=16).scores,
        rtol=1e-4,
    )
    script = f"import vizcnn; vizcnn.adapt({str(tmp_path / 'task.keras')!r})"
    fresh = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "is a 'ImageClassifier' of KerasHub, which isn't imported. In Python, import keras_hub first" in fresh.stderr


def test_preprocess_of_the_user_goes_before_the_task_s_own(classifier: Any) -> None:
    assert str(vz.adapt(classifier, preprocess="0..1").preprocess) == "0..1"


def test_boxes_of_retinanet_are_counted_from_its_anchors() -> None:
    backbone = hub.models.RetinaNetBackbone(image_encoder=resnet([1, 2]), min_level=3, max_level=4, use_p5=False)
    task = hub.models.RetinaNetObjectDetector(backbone=backbone, num_classes=3, bounding_box_format="yxyx")
    draw = np.random.default_rng(1)
    for weight in task.trainable_weights:
        if "head" in weight.path:
            weight.assign(draw.normal(0, 0.02, weight.shape))
    model = vz.adapt(task, image_size=(32, 32), preprocess="0..1")
    inputs = picture(32, 32)[None] / np.float32(255)
    result = vz.saliency(model, picture(32, 32))
    returned = task(inputs)
    anchors = keras.ops.concatenate(list(task.anchor_generator(inputs).values()), axis=0)
    boxes = keras.utils.bounding_boxes.decode_deltas_to_boxes(
        anchors=anchors,
        boxes_delta=returned["bbox_regression"],
        encoded_format="center_xywh",
        anchor_format="yxyx",
        box_format="xyxy",
        image_shape=(32, 32, 3),
    )
    scores = keras.ops.convert_to_numpy(returned["cls_logits"])[0]
    place, index = np.unravel_index(scores.argmax(), scores.shape)
    np.testing.assert_allclose(
        result.extras["boxes"][0, 0], keras.ops.convert_to_numpy(boxes)[0, place], rtol=1e-3, atol=1e-3
    )
    assert result.target == (f"class {index} in a box",)
    assert np.ptp(result.values) > 0
    alone = model.scores(inputs, Box(reduce="max"))
    np.testing.assert_allclose(alone, [scores[place, index]], rtol=1e-3)


def test_segmenter_is_explained_where_its_largest_class_is() -> None:
    backbone = hub.models.DeepLabV3Backbone(
        image_encoder=resnet([1, 2]),
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P3",
        dilation_rates=[2],
        upsampling_size=2,
    )
    model = vz.adapt(
        hub.models.DeepLabV3ImageSegmenter(backbone=backbone, num_classes=5), image_size=(32, 32), preprocess="0..1"
    )
    inputs = picture(32, 32)[None] / np.float32(255)
    (maps,) = model.outputs(inputs)
    predicted = maps[0].argmax(axis=-1)
    largest = np.bincount(predicted.ravel(), minlength=5).argmax()
    np.testing.assert_allclose(model.scores(inputs), [maps[0][predicted == largest][:, largest].mean()], rtol=1e-3)
    assert np.ptp(vz.gradcam(model, picture(32, 32)).values) > 0


@pytest.mark.slow
def test_d_fine_is_read_from_its_last_decoder() -> None:
    encoder = hub.models.HGNetV2Backbone(
        stem_channels=[3, 8, 8],
        stackwise_stage_filters=[
            [8, 8, 16, 1, 1, 3],
            [16, 8, 32, 1, 1, 3],
            [32, 16, 64, 1, 1, 3],
            [64, 16, 128, 1, 1, 3],
        ],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 64, 128],
        embedding_size=8,
        use_learnable_affine_block=True,
        hidden_act="relu",
        image_shape=(64, 64, 3),
        out_features=["stage3", "stage4"],
    )
    backbone = hub.models.DFineBackbone(
        backbone=encoder,
        decoder_in_channels=[16, 16],
        encoder_hidden_dim=16,
        num_denoising=0,
        num_labels=4,
        hidden_dim=16,
        learn_initial_query=False,
        num_queries=10,
        anchor_image_size=(64, 64),
        feat_strides=[16, 32],
        num_feature_levels=2,
        encoder_in_channels=[64, 128],
        encode_proj_layers=[1],
        num_attention_heads=2,
        encoder_ffn_dim=32,
        num_encoder_layers=1,
        hidden_expansion=0.5,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        decoder_n_points=[2, 2],
        lqe_hidden_dim=16,
        num_lqe_layers=2,
        out_features=["stage3", "stage4"],
        image_shape=(64, 64, 3),
    )
    model = vz.adapt(hub.models.DFineObjectDetector(backbone=backbone, num_classes=4), preprocess="0..1")
    inputs = picture(64, 64)[None] / np.float32(255)
    returned = model.outputs(inputs)
    score = model.with_predicted_classes(inputs, vz.targets.resolve(None, model, 1), returned)
    outputs = dict(zip(model.output_shapes, returned, strict=True))
    place = outputs["logits"][0].max(axis=-1).argmax()
    x, y, width, height = outputs["pred_boxes"][0, place] * 64
    want = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(score.params[score.boxes[0]][0, :4], want, rtol=1e-3, atol=1e-3)


def mix_transformer() -> Any:
    return hub.models.MiTBackbone(
        layerwise_depths=[1, 1],
        image_shape=(32, 32, 3),
        hidden_dims=[8, 16],
        num_layers=2,
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
    )


def csp_net(stage_type: str, block_type: str) -> Any:
    return hub.models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_depth=[1, 1],
        stackwise_strides=[2, 2],
        stackwise_num_filters=[8, 16],
        stage_type=stage_type,
        block_type=block_type,
        bottle_ratio=[0.5],
        block_ratio=[0.5 if stage_type == "cs3" else 1.0],
        expand_ratio=[2.0 if stage_type == "csp" else 1.0],
        image_shape=(32, 32, 3),
        name="csp",
    )


def segformer() -> Any:
    backbone = hub.models.SegFormerBackbone(image_encoder=mix_transformer(), projection_filters=8, name="segformer")
    return hub.models.SegFormerImageSegmenter(backbone=backbone, num_classes=4)


def yolo() -> Any:
    """Return a detector on a CSPDarkNet: at each of 8x8 places two boxes, each with a score of any object and three classes."""
    backbone = csp_net("dark", "dark_block")
    grid = keras.layers.Conv2D(2 * (5 + 3), 1, bias_initializer="random_normal", name="grid")(backbone.output)
    return keras.Model(backbone.input, grid, name="yolo")


def classifier_of(backbone: Any) -> Any:
    return hub.models.ImageClassifier(backbone=backbone, num_classes=4)


FILES = {
    "SegFormer": (segformer, {}, None, "segformer/(sequential.*/activation|linear_8)"),
    "MiT": (lambda: classifier_of(mix_transformer()), {}, None, ".*/hierarchical_encoder_1_0/layer_normalization.*"),
    "CSPDarkNet": (
        lambda: classifier_of(csp_net("dark", "dark_block")),
        {},
        None,
        "csp/stage_1_block_0_dark_block_add",
    ),
    "CSPNet": (
        lambda: classifier_of(csp_net("csp", "bottleneck_block")),
        {},
        None,
        "csp/stage_1_csp_transition_activation",
    ),
    "CS3": (lambda: classifier_of(csp_net("cs3", "edge_block")), {}, None, "csp/stage_1_cs3_activation_3"),
    "YOLO on CSPDarkNet": (
        yolo,
        {"labels": ["a", "b", "c"]},
        Box((4, 4, 24, 24), "b"),
        "stage_1_block_0_dark_block_add",
    ),
}


@pytest.mark.parametrize(("build", "settings", "target", "layer"), FILES.values(), ids=FILES)
def test_saved_model_is_explained_by_name(build: Any, settings: Any, target: Any, layer: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    task = build()
    task.save(tmp_path / "task.keras")
    model = vz.adapt(tmp_path / "task.keras", preprocess="0..1", **settings)
    inputs = picture(32, 32)[None] / np.float32(255)
    np.testing.assert_allclose(
        model.outputs(inputs)[0], keras.ops.convert_to_numpy(task(inputs, training=False)), rtol=1e-3, atol=1e-5
    )
    maps = vz.gradcam(model, picture(32, 32), target)
    assert re.fullmatch(layer, maps.layer), maps.layer
    assert maps.alone is False
    np.testing.assert_allclose(maps.scores, model.scores(inputs, target), rtol=1e-3, atol=1e-5)
    hidden = vz.occlusion(model, picture(32, 32), target, patch_size=16)
    for result in (maps, vz.saliency(model, picture(32, 32), target), hidden):
        assert result.target == maps.target
        assert np.isfinite(result.values).all()
        assert np.ptp(result.raw) > 0

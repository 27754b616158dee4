# The public names, each once: vizcnn finds them here when they are first used, and type checkers and editors see them.

import collections.abc
import typing

from . import adapter as adapter
from . import assets as assets
from . import callbacks as callbacks
from . import errors as errors
from . import inputs as inputs
from . import measures as measures
from . import plugins as plugins
from . import render as render
from . import results as results
from . import targets as targets
from . import transforms as transforms
from .adapter import KerasAdapter as KerasAdapter
from .adapter import ModelAdapter as ModelAdapter
from .adapter import adapt as adapt
from .algorithms.doctor import doctor as doctor
from .algorithms.preprocess_report import PreprocessReport as PreprocessReport
from .comparison import compare as compare
from .comparison import evaluate as evaluate
from .explained_video import ExplainedVideo as ExplainedVideo
from .explained_video import explain_video as explain_video
from .explanation import Explanation as Explanation
from .explanation import explain as explain
from .explorer import serve as serve
from .inputs import Preprocess as Preprocess
from .measures.register import register_metric as register_metric
from .measures.registry import metrics as metrics
from .plugins.register import register as register
from .plugins.registry import methods as methods
from .results import Architecture as Architecture
from .results import Attributions as Attributions
from .results import Cluster as Cluster
from .results import Comparison as Comparison
from .results import Diagnosis as Diagnosis
from .results import FeatureMaps as FeatureMaps
from .results import Images as Images
from .results import Kernels as Kernels
from .results import ReceptiveField as ReceptiveField
from .results import Spray as Spray
from .results import TopPatches as TopPatches
from .results import load_result as load_result
from .runs import Run as Run
from .runs import RunImage as RunImage
from .runs import explain_dataset as explain_dataset
from .runs import open_run as open_run
from .runs import spray as spray

__version__: str

# The methods, as `python -m tests.stub` writes them.
def ablationcam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    relu: bool = True,
) -> Attributions: ...
def activation_maximization(
    model: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    steps: int = 256,
    seed: int = 0,
    parametrization: typing.Literal["fourier", "pixel"] = "fourier",
    transforms: transforms.Transforms | collections.abc.Sequence[typing.Any] | None = None,
    regularizers: collections.abc.Sequence[typing.Any] | None = None,
    optimizer: typing.Any = None,
    num_images: int = 1,
    input_range: tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    frames: int = 0,
) -> Images: ...
def activations(
    model: typing.Any, images: typing.Any, layer: str | collections.abc.Sequence[str] | None = None
) -> FeatureMaps: ...
def architecture(model: typing.Any, *, depth: int | None = None) -> Architecture: ...
def attention_rollout(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    head_fusion: typing.Literal["mean", "max", "min"] = "mean",
    discard_ratio: float = 0.0,
    start_layer: int = 0,
) -> Attributions: ...
def blur_ig(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_steps: int = 50,
    max_sigma: float | None = None,
    reduce: typing.Literal["max_abs", "sum", "none"] = "sum",
) -> Attributions: ...
def diagnose(model: typing.Any, images: typing.Any) -> Diagnosis: ...
def eigencam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    relu: bool = True,
) -> Attributions: ...
def eigengradcam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def expected_gradients(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    background: typing.Any = "uniform",
    num_samples: int = 200,
    tolerance: float | None = None,
    reduce: typing.Literal["max_abs", "sum", "none"] = "sum",
    seed: int = 0,
) -> Attributions: ...
def extremal_perturbation(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    area: float | collections.abc.Sequence[float] = (0.05, 0.1, 0.2),
    mode: typing.Literal["preserve", "delete"] = "preserve",
    num_steps: int = 100,
    smoothness: float = 0.05,
    baseline: typing.Any = "blur",
    seed: int = 0,
) -> Attributions: ...
def fem(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    num_deviations: float = 2.0,
) -> Attributions: ...
def filters(
    model: typing.Any, layer: str | None = None, *, preferred_inputs: int = 0, steps: int = 128, seed: int = 0
) -> Kernels: ...
def finercam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rivals: int = 3,
    alpha: float = 1.0,
    cam: typing.Literal["gradcam", "hirescam", "layercam"] = "gradcam",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def fullgrad(model: typing.Any, images: typing.Any, target: typing.Any = None) -> Attributions: ...
def gradcam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def gradcam_plus_plus(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def gradient_x_input(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    reduce: typing.Literal["max_abs", "sum", "none"] = "sum",
) -> Attributions: ...
def guided_gradcam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    reduce: typing.Literal["max_abs", "sum", "none"] = "max_abs",
) -> Attributions: ...
def guided_ig(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_steps: int = 200,
    fraction: float = 0.25,
    max_distance: float = 0.02,
    baseline: typing.Any = 0.0,
    reduce: typing.Literal["max_abs", "sum", "none"] = "sum",
    seed: int = 0,
) -> Attributions: ...
def hirescam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def hsic(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    segments: typing.Any = "grid",
    num_segments: int = 50,
    num_samples: int = 500,
    tolerance: float | None = None,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def integrated_gradients(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_steps: int = 50,
    baseline: typing.Any = 0.0,
    quadrature: typing.Literal["gauss_legendre", "trapezoid"] = "gauss_legendre",
    idgi: bool = False,
    reduce: typing.Literal["max_abs", "sum", "none"] = "sum",
    seed: int = 0,
) -> Attributions: ...
def kernel_shap(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    segments: typing.Any = "grid",
    num_segments: int = 50,
    num_samples: int = 1000,
    tolerance: float | None = None,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def layercam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def legrad(
    model: typing.Any, images: typing.Any, target: typing.Any = None, *, per_block: bool = True, start_layer: int = 0
) -> Attributions: ...
def lime(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    segments: typing.Any = "grid",
    num_segments: int = 50,
    num_samples: int = 1000,
    tolerance: float | None = None,
    baseline: typing.Any = "mean",
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
) -> Attributions: ...
def occlusion(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    patch_size: int | tuple[int | None, ...] | None = None,
    stride: int | tuple[int | None, ...] | None = None,
    refine: float | None = None,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def partition_shap(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_samples: int = 500,
    smallest_side: int | None = None,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def receptive_field(
    model: typing.Any, layer: str | None = None, *, input_shape: tuple[int, ...] | None = None
) -> ReceptiveField: ...
def rise(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_samples: int = 1000,
    tolerance: float | None = None,
    cells: int = 7,
    keep: float = 0.5,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def saliency(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    reduce: typing.Literal["max_abs", "sum", "none"] = "max_abs",
) -> Attributions: ...
def scorecam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    top: int | None = None,
    weighting: typing.Literal["softmax", "increase"] = "softmax",
    baseline: typing.Any = "mean",
    relu: bool = True,
    seed: int = 0,
) -> Attributions: ...
def smoothgrad(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    statistic: typing.Literal["mean", "variance", "square"] = "mean",
    num_samples: int = 25,
    tolerance: float | None = None,
    noise: float = 0.15,
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    reduce: typing.Literal["max_abs", "sum", "none"] = "max_abs",
    seed: int = 0,
) -> Attributions: ...
def sobol(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    segments: typing.Any = "grid",
    num_segments: int = 64,
    num_samples: int = 32,
    tolerance: float | None = None,
    baseline: typing.Any = "mean",
    seed: int = 0,
) -> Attributions: ...
def top_patches(
    model: typing.Any,
    images: typing.Any,
    layer: str | None = None,
    *,
    channels: int | collections.abc.Sequence[int] | None = None,
    num_patches: int = 9,
    spread: int = 0,
    seed: int = 0,
) -> TopPatches: ...
def transformer_attribution(
    model: typing.Any, images: typing.Any, target: typing.Any = None, *, start_layer: int = 0
) -> Attributions: ...
def xgradcam(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    layer: str | None = None,
    layers: collections.abc.Sequence[str] | None = None,
    fuse: typing.Literal["mean", "max", "product"] = "mean",
    rule: typing.Literal["vanilla", "guided", "relu", "deconv", "rectified"] = "vanilla",
    relu: bool = True,
) -> Attributions: ...
def xrai(
    model: typing.Any,
    images: typing.Any,
    target: typing.Any = None,
    *,
    num_steps: int = 100,
    segments: typing.Any = "nested",
) -> Attributions: ...

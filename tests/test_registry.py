"""The plugins, and the public door that they share."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.adapter import LayerInfo, ModelAdapter
from vizcnn.errors import CapabilityError, LayerError, MethodError, OptionError, PluginWarning
from vizcnn.plugins import registry
from vizcnn.results import AttributionBatch
from vizcnn.targets import resolve
from vizcnn.targets.score import Score

IMAGES = np.arange(2 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 1) / 32


class Scorer(ModelAdapter):
    """A model that only answers outputs and scores: class 0 likes the upper half, class 1 the lower."""

    capabilities = frozenset({"outputs", "scores"})
    layers = (LayerInfo("halves", "Halves", (None, 2), 0),)
    input_shape = (4, 4, 1)
    output_shapes: Mapping[str, tuple[int | None, ...]] = {"output": (2,)}

    def output_activation(self, output: str) -> str | None:
        return None

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.stack([inputs[:, :2].sum(axis=(1, 2, 3)), inputs[:, 2:].sum(axis=(1, 2, 3))], axis=1),)

    def scores(self, inputs: np.ndarray, target: Any = None) -> np.ndarray:
        values = self.outputs(inputs)[0]
        (index,) = resolve(target, self, len(inputs)).params
        return values[np.arange(len(values)), np.where(index < 0, values.argmax(axis=1), index)]


@pytest.fixture
def scorer() -> Scorer:
    return Scorer("halves", labels=["up", "down"], batch_size=1)


@pytest.fixture
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A copy of the registry, so that what a test registers goes with it."""
    registry.names()
    plugins = dict(registry.INSTALLED.entries)
    monkeypatch.setattr(registry.INSTALLED, "entries", plugins)
    return plugins


@pytest.fixture
def brightness(own_plugins: dict[str, Any]) -> Any:
    @vz.register("brightness", needs={"outputs"})
    def method(
        model: ModelAdapter,
        inputs: np.ndarray,
        score: Score,
        *,
        power: Literal[1, 2] = 1,
        flip: bool = False,
        layer: str | None = None,
        size: Any = None,
    ) -> AttributionBatch:
        """Show where the image is bright [1]_.

        Not a method to lean on.
        """
        values = inputs.mean(axis=-1) ** power
        return AttributionBatch(
            -values if flip else values, raw=inputs, layer=layer, signed=flip, notes=("seen",) * (size is not None)
        )

    return method


# Names and options --------------------------------------------------------------------------------------------------------


def test_own_methods_come_first_then_those_of_other_libraries(brightness):
    names = vz.methods()
    assert (
        names.index("gradcam")
        < names.index("saliency")
        < names.index("tf-keras-vis/saliency")
        < names.index("brightness")
    )


def test_registered_method_is_a_function_of_vizcnn(brightness):
    assert vz.brightness is brightness
    assert "brightness" in dir(vz)


def test_unknown_method_is_rejected_with_a_close_name():
    with pytest.raises(
        MethodError, match=r"`method` must be one of .*'gradcam', .*; got 'salency'. Did you mean 'saliency'\?"
    ):
        registry.get("salency")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("brightness", {}),
        ("brightness:", {}),
        ("brightness:power=2", {"power": 2}),
        (" brightness : power = 2 , flip = True ", {"power": 2, "flip": True}),
        ("brightness:size=(3, 4),power=1", {"size": (3, 4), "power": 1}),
        ("brightness:layer=base/conv[1]", {"layer": "base/conv[1]"}),
        ("brightness:size=mean", {"size": "mean"}),
        ("brightness:size=None", {"size": None}),
        ("brightness:size=0.5", {"size": 0.5}),
    ],
)
def test_method_with_options_is_read_from_text(brightness, text, options):
    assert registry.parse(text) == (registry.get("brightness"), options)
    assert registry.parse(("brightness", options)) == (registry.get("brightness"), options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"power": 3}, "`power` must be one of 1, 2; got 3"),
        ({"flip": 1}, "`flip` must be True or False; got 1"),
        ({"pwoer": 1}, "Method 'brightness' has no option 'pwoer'. Did you mean 'power'?"),
        ({"zzz": 1}, "Its options: 'power', 'flip', 'layer', 'size'"),
    ],
)
def test_options_are_checked_before_the_model_is_looked_at(brightness, options, text):
    with pytest.raises(OptionError, match=text.replace("?", r"\?")):
        brightness("no model", IMAGES, **options)


def test_signature_is_the_public_one(brightness):
    parameters = inspect.signature(brightness).parameters
    assert list(parameters) == ["model", "images", "target", "power", "flip", "layer", "size"]
    assert [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY] == ["power", "flip", "layer", "size"]


def test_summary_is_the_first_line_without_its_reference(brightness):
    assert registry.get("brightness").summary == "Show where the image is bright."


def test_meaning_is_what_the_documentation_says_in_plain_words(brightness):
    assert registry.get("brightness").interpretation == "Not a method to lean on."
    meaning = registry.get("occlusion").interpretation
    assert meaning.startswith(
        "Positive where the score falls when the place is hidden, negative where it rises. The map depends"
    )
    assert "[1]" not in meaning
    assert "Every pixel is covered" not in meaning  # the second paragraph is for those who read the documentation


def test_missing_images_are_a_type_error(brightness, scorer):
    with pytest.raises(TypeError, match="missing a required argument: 'images'"):
        brightness(scorer)


# The door -----------------------------------------------------------------------------------------------------------------


def test_result_says_where_it_comes_from(brightness, scorer):
    result = brightness(scorer, IMAGES, power=2, layer="halves")
    np.testing.assert_array_equal(result.values, IMAGES[..., 0] ** 2)
    assert (result.method, result.model, result.layer) == ("brightness", "halves", "halves")
    assert result.options == {"power": 2, "flip": False, "layer": "halves", "size": None}
    assert result.notes == ()


@pytest.mark.filterwarnings("ignore:seen")
def test_note_of_several_batches_is_kept_once(brightness, scorer):
    assert brightness(scorer, IMAGES, size=1).notes == ("seen",)


def test_scores_and_classes_come_from_the_model(brightness, scorer):
    result = brightness(scorer, IMAGES, target=["up", None])
    assert_same_sums(result.scores, [IMAGES[0, :2].sum(), IMAGES[1, 2:].sum()], 8)
    assert (result.target, result.classes) == (("up", "down"), (0, 1))
    assert result.probabilities == (None, None)
    assert [p.label for p in result.predictions] == ["down", "down"]


def test_layer_is_looked_up_before_anything_runs(brightness, scorer):
    with pytest.raises(
        LayerError, match=r"`layer` must name a layer of model 'halves'; got 'havles'. Did you mean 'halves'"
    ):
        brightness(scorer, IMAGES, layer="havles")


def test_small_maps_are_enlarged_and_kept(own_plugins, scorer):
    @vz.register("corner")
    def corner(model: ModelAdapter, inputs: np.ndarray, score: Score) -> AttributionBatch:
        return AttributionBatch(np.tile(np.array([[[0.0, 4.0]]]), (len(inputs), 1, 1)))

    result = corner(scorer, IMAGES)
    np.testing.assert_array_equal(result.values[1], [[0, 1, 3, 4]] * 4)
    np.testing.assert_array_equal(result.raw, [[[0, 4]], [[0, 4]]])
    assert result.values.dtype == result.raw.dtype == np.float32


def test_model_that_lacks_what_a_method_needs_is_told_what_works(brightness, scorer):
    with pytest.raises(CapabilityError) as caught:
        vz.saliency(scorer, IMAGES)
    text = str(caught.value)
    assert text.startswith(
        "Method 'saliency' needs gradients, which model 'halves' can't answer. Methods that work on it: "
    )
    assert "'brightness'" in text
    assert "gradcam" not in text


def test_model_that_is_not_of_keras_is_named_where_a_method_needs_one(scorer):
    with pytest.raises(
        CapabilityError,
        match="'tf-keras-vis/saliency' needs a Keras model on TensorFlow, and model 'halves' is not one",
    ):
        registry.get("tf-keras-vis/saliency").function(scorer, IMAGES)


def test_methods_that_need_gradients_do_not_work_on_a_scorer(brightness, scorer):
    working = registry.works_on(scorer)
    assert "brightness" in working
    assert not {"saliency", "gradcam", "tf-keras-vis/saliency"} & set(working)


def test_name_that_is_taken_is_refused(brightness):
    with pytest.raises(
        MethodError, match=r"`name` 'saliency' is taken by the plugin of vizcnn.plugins.saliency; choose another"
    ):

        @vz.register("saliency")
        def mine(model: ModelAdapter, inputs: np.ndarray, score: Score) -> AttributionBatch:
            raise NotImplementedError


def test_registering_again_from_the_same_module_replaces(brightness, own_plugins, scorer):
    @vz.register("brightness")
    def darkness(model: ModelAdapter, inputs: np.ndarray, score: Score) -> AttributionBatch:
        return AttributionBatch(1 - inputs[..., 0])

    np.testing.assert_array_equal(vz.brightness(scorer, IMAGES).values, 1 - IMAGES[..., 0])


def test_argument_that_the_door_does_not_know_is_named(own_plugins):
    with pytest.raises(
        TypeError, match="plugin 'odd' has the argument 'batch'; before the star stand model, inputs, score"
    ):

        @vz.register("odd")
        def odd(model: ModelAdapter, batch: np.ndarray) -> AttributionBatch:
            raise NotImplementedError


def test_types_that_only_a_checker_knows_do_not_matter(own_plugins, scorer):
    def strange(model: ModelAdapter, inputs: np.ndarray, score: Score, *, power: Literal[1, 2] = 1) -> AttributionBatch:
        return AttributionBatch(inputs[..., 0])

    strange.__annotations__ |= {"model": "NotImported", "score": "NotImported", "power": "Literal[1, 2]"}
    method = vz.register("strange")(strange)
    assert method(scorer, IMAGES).values.shape == (2, 4, 4)
    with pytest.raises(OptionError, match="`power` must be one of 1, 2; got 5"):
        method(scorer, IMAGES, power=5)


# Other packages -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch, own_plugins: dict[str, Any]) -> Any:
    """Load the registry anew with one more entry point."""
    monkeypatch.setattr(registry.INSTALLED, "failed", {})

    def load(value: str) -> None:
        point = EntryPoint("stranger", value, registry.GROUP)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
        monkeypatch.setattr(registry.INSTALLED, "loaded", False)

    return load


def test_broken_plugin_is_reported_by_name_and_line(loading):
    loading("no_such_module")
    with pytest.warns(
        PluginWarning, match="plugin 'stranger' of an unknown package failed to load: ModuleNotFoundError"
    ) as caught:
        names = vz.methods()
    assert [w.filename for w in caught] == [__file__]
    assert "saliency" in names
    assert registry.failures() == {"stranger": "ModuleNotFoundError: No module named 'no_such_module'"}


@pytest.mark.filterwarnings("ignore::vizcnn.errors.PluginWarning")
def test_asking_for_a_method_that_failed_to_load_says_why(loading):
    loading("no_such_module")
    with pytest.raises(
        MethodError, match=r"got 'stranger'. It comes from a plugin that failed to load: ModuleNotFoundError"
    ):
        registry.get("stranger")


@pytest.mark.parametrize("line", ["raise SystemExit(3)", "1 / 0", "this is no Python"])
def test_plugin_that_breaks_in_any_way_takes_nothing_down(loading, tmp_path, monkeypatch, line):
    name = f"broken_{abs(hash(line))}"
    (tmp_path / f"{name}.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    loading(name)
    with pytest.warns(PluginWarning, match="failed to load"):
        assert {"saliency", "gradcam"} <= set(vz.methods())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tests/plugin_package installed in it, by pip or uv, without a network."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(Path(__file__).parent / "plugin_package", folder / "source")
    uv = shutil.which("uv")
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--no-index", "--disable-pip-version-check"]
    elif uv:
        command = [uv, "pip", "install", "--offline", "--python", sys.executable]
    else:
        pytest.skip("neither pip nor uv is there to install a package")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "installed")]
    subprocess.run([*command, *options, str(source)], check=True)
    return folder / "installed"


def python(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(Path(__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_installed_plugin_is_a_method_beside_a_broken_one(site):
    code = """
import json, sys, warnings
import numpy as np
import vizcnn as vz
from tests.test_registry import IMAGES, Scorer
from vizcnn.plugins import registry
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = vz.methods()
result = vz.brightness(Scorer("halves"), IMAGES, power=2)
again = vz.explain(Scorer("halves"), IMAGES, methods=["brightness:power=2"])["brightness:power=2"]
print(json.dumps({
    "names": names, "warnings": [str(w.message) for w in caught], "failures": registry.failures(),
    "right": bool((result.values == IMAGES[..., 0] ** 2).all() and (again.values == result.values).all()),
    "summary": registry.get("brightness").summary,
}))
"""
    done = python(site, "-c", code)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"brightness", "saliency", "gradcam"} <= set(said["names"])
    assert said["right"]
    assert said["summary"] == "Show where the image is bright."
    assert said["failures"] == {"broken": "ModuleNotFoundError: No module named 'a_package_that_is_not_installed'"}
    (warning,) = said["warnings"]
    assert warning.startswith("The vizcnn plugin 'broken' of vizcnn-brightness failed to load: ModuleNotFoundError")


def test_installed_plugin_is_listed_on_the_command_line(site):
    done = python(site, "-c", "import sys; from vizcnn.cli import main; sys.argv = ['vizcnn', 'methods']; main()")
    assert "brightness: Show where the image is bright." in done.stdout
    assert "saliency" in done.stdout
    assert "broken" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr

"""The report: one file, nothing from outside, nothing injected, and the values come back out of it; tests/browser opens it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.made import attributions
from vizcnn.cli import app
from vizcnn.errors import ResultError
from vizcnn.report import render_page

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7*7 }}'


def network(shape: tuple[int, ...] = (12, 10, 3)) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    return keras.Model(image, layers.Dense(7, "softmax")(layers.GlobalAveragePooling2D()(x)))


def images(count: int = 2, shape: tuple[int, ...] = (12, 10, 3)) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *shape)).astype(np.float32)


@pytest.fixture(scope="module")
def explained() -> vz.Explanation:
    cnn = vz.adapt(network(), labels=[f"kind {i}" for i in range(7)])
    return vz.explain(cnn, images(), methods=["saliency", "gradcam", "occlusion:patch_size=3"])


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside].append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def data_of(page: str) -> Any:
    return json.loads(next(text for text in Elements(page).texts["script"] if text.startswith("{")))


def test_values_come_back_out_of_the_page(explained: vz.Explanation, tmp_path: Path) -> None:
    page = explained.to_html(tmp_path / "r.html").read_text(encoding="utf-8")
    found = data_of(page)
    for number, sample in enumerate(found["samples"]):
        for result, (map_,) in zip(explained.results.values(), sample["maps"], strict=True):
            steps = np.asarray(Image.open(io.BytesIO(base64.b64decode(map_["values"].partition(",")[2]))))
            values = map_["low"] + steps / 255 * (map_["high"] - map_["low"])
            step = (map_["high"] - map_["low"]) / 255
            np.testing.assert_allclose(values, result.values[number], atol=0.51 * step)
            assert map_["signed"] == result.signed
    colors = np.frombuffer(base64.b64decode(found["tables"]["gray"]), np.uint8).reshape(256, 3)
    np.testing.assert_allclose(colors[:, 0], np.arange(256), atol=1)


def test_page_says_what_was_predicted_and_how_to_get_it_again(explained: vz.Explanation) -> None:
    page = render_page(explained.results, about={"command": "vizcnn report m.keras"})
    first = explained["saliency"]
    for index in range(2):
        label, probability = first.top_classes[index][0]
        assert label == first.predictions[index].label
        assert probability == pytest.approx(first.predictions[index].probability)
        assert f'<th scope="row">{label}</th>' in page
        assert f"the model predicts {label} (probability {probability:.2f})</li>" in page
    assert len(first.top_classes[0]) == 5
    for text in ("vizcnn report m.keras", f"<dd>{vz.__version__}</dd>", "patch_size=(3, 3)", "at conv"):
        assert text in page


def test_page_says_once_what_the_pictures_of_a_method_may_not_be_read_as() -> None:
    kinds = ["saliency", "saliency:reduce=sum", "gradcam"]
    explained = vz.explain(network(), images(1), 2, methods=kinds)
    meanings = {"saliency": "Small changes.", "saliency:reduce=sum": "Small changes.", "gradcam": ""}
    page = render_page(explained.results, meanings=meanings)
    assert "<dt>saliency, saliency:reduce=sum</dt><dd>Small changes.</dd>" in page
    assert page.count("Small changes.") == 1
    shown = explained["gradcam"]
    asked = f"the pictures explain class 2 (probability {shown.probabilities[0]:.2f})"
    assert (asked in page) == (shown.predictions[0].index != 2)
    other = (shown.predictions[0].index + 1) % 4
    assert f"; the pictures explain class {other} (" in render_page(vz.explain(network(), images(1), other).results)


def test_nothing_is_requested_from_outside_and_only_the_page_itself_may_run(explained: vz.Explanation) -> None:
    page = render_page(explained.results)
    elements = Elements(page)
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert all(str(image["src"]).startswith("data:image/") for image in elements.all("img"))
    assert not elements.all("link")
    assert not elements.all("iframe")
    policy = str(next(meta for meta in elements.all("meta") if meta.get("http-equiv"))["content"])
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    script = next(text for text in elements.texts["script"] if not text.startswith("{"))
    for text in (elements.texts["style"][0], script):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in allowed
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_hostile_names_stay_text() -> None:
    from dataclasses import replace

    from vizcnn.adapter import Prediction

    made = attributions()
    count = len(made)
    result = replace(
        made,
        model=HOSTILE,
        method=HOSTILE,
        layer=HOSTILE,
        names=(HOSTILE,) * count,
        target=(HOSTILE,) * count,
        notes=(HOSTILE,),
        predictions=tuple(Prediction(0, HOSTILE, 0.5) for _ in range(count)),
        top_classes=(((HOSTILE, 0.5),),) * count,
        options={HOSTILE: HOSTILE},
    )
    page = render_page({HOSTILE: result}, meanings={HOSTILE: HOSTILE}, about={HOSTILE: HOSTILE})
    plain = Elements(render_page({"a": made}))
    elements = Elements(page)
    assert len(elements.all("script")) == len(plain.all("script")) == 2
    assert not any("onerror" in attributes for _, attributes in elements.found)
    assert "alert(1)</script>" not in page
    assert "49" not in Elements(page).all("canvas")[0]["aria-label"]
    assert HOSTILE in str(elements.all("canvas")[0]["aria-label"])


def test_page_can_switch_to_another_class(explained: vz.Explanation, tmp_path: Path) -> None:
    cnn = vz.adapt(network(), labels=[f"kind {i}" for i in range(7)])
    other = vz.explain(cnn, images(), 3, methods=list(explained.results))
    page = explained.to_html(tmp_path / "r.html", others={"kind 3": other}).read_text(encoding="utf-8")
    assert '<option value="0">the predicted class</option>' in page
    assert '<option value="1">kind 3</option>' in page
    asked = other.to_html(tmp_path / "asked.html", others={"predicted": explained}).read_text(encoding="utf-8")
    assert '<option value="0">as asked</option>' in asked
    for number, sample in enumerate(data_of(page)["samples"]):
        for name, (first, second) in zip(explained.results, sample["maps"], strict=True):
            assert first["explained"].startswith(explained[name].target[number])
            assert second["explained"].startswith("kind 3 (probability 0.")
            assert second["low"] == pytest.approx(float(other[name].values[number].min()))
    with pytest.raises(ResultError, match="must have the same methods, on the same images"):
        explained.to_html(tmp_path / "r.html", others={"x": vz.explain(cnn, images(), 3, methods="saliency")})
    assert 'id="explained"' not in render_page(explained.results)


def test_other_results_are_drawn_as_they_draw_themselves(explained: vz.Explanation, tmp_path: Path) -> None:
    figures = {"The model": vz.architecture(network()), "Its maps": vz.activations(network(), images(1), "conv")}
    page = explained.to_html(tmp_path / "r.html", figures=figures).read_text(encoding="utf-8")
    drawn = Elements(page).all("img")[2:]  # after the two images
    assert len(drawn) == 2
    for image, title in zip(drawn, figures, strict=True):
        assert f">{title}</h2>" in page
        with Image.open(io.BytesIO(base64.b64decode(str(image["src"]).partition(",")[2]))) as picture:
            assert picture.width > 200
            assert np.ptp(np.asarray(picture)) > 100


def test_ten_images_and_five_methods_weigh_less_than_3_megabytes(tmp_path: Path) -> None:
    shape = (224, 224, 3)
    cnn = vz.adapt(network(shape))
    methods = ["saliency", "saliency:rule=guided", "saliency:rule=relu", "gradcam", "gradcam:relu=False"]
    noise = images(10, shape)  # the worst that there is: no two pixels tell of each other
    path = vz.explain(cnn, noise, methods=methods).to_html(tmp_path / "r.html")
    assert path.stat().st_size < 3e6


def test_what_it_cannot_show_is_told(explained: vz.Explanation, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"must end in .html"):
        explained.to_html(tmp_path / "r.pdf")
    signal = keras.Input((20, 2))
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(3, 3, activation="relu")(signal))
    made = vz.explain(keras.Model(signal, layers.Dense(2)(x)), np.ones((20, 2)), methods="saliency")
    with pytest.raises(ResultError, match="A report shows images"):
        made.to_html(tmp_path / "r.html")


def test_command_writes_the_page_without_the_places_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network().save(tmp_path / "m.keras")
    for name, image in zip(("a", "c"), images(2), strict=True):
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"none")
    given = [str(tmp_path / name) for name in ("m.keras", "a.png", "c.png")]
    command = ["report", *given, "--out", str(tmp_path / "out/r.html")]
    monkeypatch.setattr("sys.argv", ["vizcnn", *command])
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "out/r.html").read_text(encoding="utf-8")
    assert "vizcnn report m.keras a.png c.png" in page
    assert "How the model is built" in page
    assert '<option value="1">the second class</option>' in page
    assert "the third class" not in page
    for name in ("a.png", "c.png"):
        assert f"What its layers see in {name}" in page
    assert hashlib.sha256((tmp_path / "m.keras").read_bytes()).hexdigest() in page
    some = CliRunner().invoke(
        app, [*command, str(tmp_path / "b.png"), "--method", "saliency", "--method", "gradcam:layer=conv"]
    )
    assert some.exit_code == 1
    assert "isn't an image" in some.stderr
    none = CliRunner().invoke(app, ["report", str(tmp_path / "m.keras"), str(tmp_path / "b.png"), "--out", "r.html"])
    assert none.exit_code == 2
    assert CliRunner().invoke(app, [*command[:3], "--out", "r.png"]).exit_code == 2

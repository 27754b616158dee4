"""What importing vizcnn must not do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FRAMEWORKS = ("tensorflow", "keras", "jax", "torch", "tf_keras_vis")

PROBE = """
import os, sys
before, modules = dict(os.environ), set(sys.modules)
{code}
changed = sorted(name for name in {{*before, *os.environ}} if before.get(name) != os.environ.get(name))
print(",".join(changed), ",".join(sorted({{name.partition(".")[0] for name in set(sys.modules) - modules}})), sep=";")
"""


def after(code: str) -> tuple[str, set[str]]:
    """Run code in a fresh Python; return the environment variables that changed, and the packages that were loaded."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    changed, _, packages = done.stdout.strip().splitlines()[-1].partition(";")
    return changed, set(packages.split(","))


def test_import_loads_nothing_heavy_and_sets_nothing():
    changed, packages = after("import vizcnn")
    assert changed == ""
    assert not packages & {*FRAMEWORKS, "numpy", "cv2", "matplotlib", "PIL", "rich", "typer"}


@pytest.mark.parametrize(
    "code", ["import vizcnn; vizcnn.methods()", "import vizcnn; vizcnn.gradcam", "import vizcnn; dir(vizcnn)"]
)
def test_methods_are_listed_without_a_framework(code):
    changed, packages = after(code)
    assert "KERAS_BACKEND" not in changed
    assert not packages & {*FRAMEWORKS}


def test_saved_result_is_drawn_without_a_framework(tmp_path):
    from tests.made import attributions

    path = attributions().save(tmp_path / "one.npz")
    _, packages = after(f"import vizcnn; vizcnn.load_result({str(path)!r}).save({str(tmp_path / 'one.png')!r})")
    assert not packages & {*FRAMEWORKS}
    assert (tmp_path / "one.png").stat().st_size > 2000


def test_what_draws_is_loaded_when_something_is_drawn():
    _, packages = after("import vizcnn; vizcnn.methods(); vizcnn.explain")
    assert "matplotlib" not in packages


COMMAND = """
import vizcnn.cli
sys.argv = ["vizcnn", *{words!r}]
try:
    vizcnn.cli.main()
except SystemExit as end:
    assert end.code == {code}, end.code
"""


def test_help_loads_only_what_prints_it():
    _, packages = after(COMMAND.format(words=["--help"], code=0))
    assert not packages & {*FRAMEWORKS, "numpy", "cv2", "matplotlib", "PIL", "h5py", "jinja2", "pandas", "scipy"}
    assert not packages & {"hashlib", "tempfile", "multiprocessing"}


def test_command_of_a_method_that_is_not_there_draws_nothing_and_loads_no_model(tmp_path):
    words = ["explain", "m.keras", "image.png", "-o", str(tmp_path), "-m", "gradcamm"]
    _, packages = after("sys.stderr = sys.stdout" + COMMAND.format(words=words, code=2))
    assert not packages & {*FRAMEWORKS, "matplotlib", "h5py", "jinja2", "pandas", "scipy"}


def test_public_names_are_there():
    import vizcnn

    for name in vizcnn.__all__:
        assert getattr(vizcnn, name).__name__ in (name, f"vizcnn.{name}")
    assert {"saliency", "gradcam", "explain", "__version__"} <= set(dir(vizcnn))


def test_unknown_name_is_an_attribute_error():
    import vizcnn

    with pytest.raises(AttributeError, match="module 'vizcnn' has no attribute 'salency'"):
        vizcnn.salency  # noqa: B018


def test_backend_that_is_not_installed_is_told_with_the_remedy():
    code = "import vizcnn; vizcnn.adapt(lambda x: x, input_shape=(2, 2, 1))"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert "UnsupportedModelError: Keras is set to run on torch, which isn't installed: pip install" in run.stderr

"""What is no model of Keras is named as what it is, with what to give instead; never run, never a foreign exception."""

from __future__ import annotations

from pathlib import Path

import pytest

import vizcnn as vz
from vizcnn.errors import ModelFileError

FILES = [
    ("saved_model.pb", b"\x08\x01\x12\x90\x4e\x0a\x05", r"a part of a TensorFlow SavedModel\. Name the folder, '.*'"),
    ("renamed.onnx", b"\x08\x01\x12\x90\x4e\x0a\x05", "a part of a TensorFlow SavedModel"),
    ("frozen.pb", b"\x0a\x38\x0a\x05input\x12\x0bPlaceholder*", "a frozen TensorFlow graph. Save a SavedModel"),
    ("graph.pbtxt", b'node {\n  name: "x"', "a TensorFlow graph as text"),
    ("label_map.pbtxt", b"# classes\nitem {\n  id: 1\n", "a label map, the names of classes; `labels` takes them"),
    (
        "model.ckpt.index",
        b"\0\0\x01\x02abcdefgh",
        "a part of a TensorFlow checkpoint, weights without the architecture",
    ),
    ("model.ckpt.data-00000-of-00001", b"\x12\x34" * 10, "a part of a TensorFlow checkpoint"),
    ("checkpoint", b'model_checkpoint_path: "m"\n', "which TensorFlow checkpoint is the last one"),
    ("model.pt", b"\x80\x02\x8a\nlF\xfc torch._utils", "it is a PyTorch file"),
    ("model.joblib", b"\x80\x05\x95sklearn", "a Python pickle, which is never opened"),
    (
        "model.safetensors",
        b"\x90\0\0\0\0\0\0\0" + b'{"conv.weight":{',
        "a safetensors file: weights without the architecture",
    ),
    ("weights.npy", b"\x93NUMPY\x01\0", "a NumPy array"),
    ("yolo.weights", b"\0\0\0\0\x02\0\0\0\x05\0\0\0\0", "weights of Darknet"),
    ("yolo.cfg", b"[net]\nbatch=1\n", "a configuration of Darknet, without weights"),
    ("net.caffemodel", b"\x0a\x07AlexNet", "weights of Caffe"),
    ("deploy.prototxt", b'name: "AlexNet"\nlayer {\n', "a description of a Caffe network"),
    ("model.xml", b'<?xml version="1.0"?>\n<net name="m">', "the description of an OpenVINO model"),
    ("model.mlmodel", b"\x08\x05\x12\x80\x01\x0a\x10", "a Core ML model"),
    (
        "model.json",
        b'{"format": "layers-model", "modelTopology": {"class_name"',
        "a damaged model.json of TensorFlow.js",
    ),
    ("cat.png", b"\x89PNG\r\n\x1a\n", "an image. The model comes first, then the images"),
    ("cat.jpg", b"\xff\xd8\xff\xe0", "an image"),
    ("train.py", b"import keras\n", "Python source. Run it"),
    ("m.keras", b"7z\xbc\xaf\x27\x1c", "it is packed. Unpack it first"),
    ("m.tar", b"a" * 257 + b"ustar", "a tar archive. Unpack it first"),
    ("m.onnx", b"\x08\x07\x12\x07pytorch\x1a\x051.2", "is an ONNX model"),
]


@pytest.mark.parametrize(("name", "content", "text"), FILES, ids=[name for name, _, _ in FILES])
def test_file_is_named_as_what_it_is(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=text):
        vz.adapt(tmp_path / name)


@pytest.mark.parametrize("name", ["keras_metadata.pb", "fingerprint.pb", "variables/variables.index", "variables"])
def test_part_of_a_saved_model_names_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "exported"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12\x90\x4e\x0a\x05")
    if name != "variables":
        (folder / name).write_bytes(b"\x0a\x05abcde")
    with pytest.raises(ModelFileError, match=r"Name the folder,? '.*exported'"):
        vz.adapt(folder / name)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("model.keras", b"PK", "it holds no saved_model.pb. Name the file, such as 'model.keras'"),
        ("m.index", b"", "a TensorFlow checkpoint, weights without the architecture"),
        (
            "model.json",
            b'{"modelTopology": {"node": []}}',
            "it is a graph model of TensorFlow.js, whose layers are gone",
        ),
    ],
)
def test_folder_is_named_as_what_it_holds(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=text):
        vz.adapt(tmp_path)

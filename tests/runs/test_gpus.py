"""Which GPU each of several workers takes, and how much of it."""

import pytest

from vizcnn.runs import gpus

SHARED = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.375", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", *SHARED):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("names", "count", "expected"),
    [
        ("", 2, [{}, {}]),
        ("0", 1, [{}]),
        ("0", 2, [SHARED, SHARED]),
        ("3,5", 2, [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]),
        ("3,5", 3, [{"CUDA_VISIBLE_DEVICES": name, **SHARED} for name in ("3", "5", "3")]),
    ],
)
def test_each_worker_takes_a_gpu_of_its_own_or_its_share_of_one(monkeypatch, names, count, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert [gpus.of_worker(turn, count) for turn in range(count)] == expected


def test_gpus_of_a_container_are_counted_from_zero_whatever_their_files_are_called(monkeypatch, tmp_path):
    for name in ("nvidia2", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "_DEVICES", tmp_path)
    assert [gpus.of_worker(turn, 2) for turn in range(2)] == [{"CUDA_VISIBLE_DEVICES": name} for name in "01"]


def test_what_the_user_said_of_the_memory_stays(monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", ".2")
    assert gpus.share(0.5) == {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}

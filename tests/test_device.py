"""How a run computes: memory that is freed is used again."""

import os
import subprocess
import sys

import pytest

STEPS = """
import resource
import torch
from cdvae.tools.device import one_thread

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    torch.zeros(4, 1 << 20).sum()  # 16 MB: 4,096 pages

def counted():
    for _ in range(10):  # the heap grows
        step()
    before = faults()
    for _ in range(20):
        step()
    return (faults() - before) / 20

outside = counted()
with one_thread():
    print(outside, counted())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_step_uses_the_memory_of_the_last_one():
    asked = [sys.executable, "-c", STEPS]
    environ = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}  # as Dask has it for its workers
    told = subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout
    outside, inside = map(float, told.split())
    if outside < 100:
        pytest.skip("this library of C keeps what is freed by itself")
    assert inside < 10


SCORES = """
import resource, sys
from contextlib import nullcontext
import torch
from cdvae.metrics import score_samples
from cdvae.tools import device

device.PERIOD = 0.1
x_g, fields = torch.rand(400, 2, 32, 32), torch.rand(500, 2, 32, 32)

def draw(part, n):
    return fields[torch.randint(500, (part.stop - part.start, n))]

def most(n):
    score_samples(draw, x_g[:n])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

with device.one_thread(), device.memory_given_back() if sys.argv[1:] else nullcontext():
    print(-most(100) + most(400))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_memory_does_not_grow_with_the_test_examples_that_are_scored():
    def growth(*given: str) -> float:
        asked = [sys.executable, "-c", SCORES, *given]
        return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    if growth() < 100:
        pytest.skip("this library of C finds room among what is kept by itself")
    assert growth("given back") < 40  # MB for 300 examples

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

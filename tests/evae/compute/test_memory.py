"""Steps of training use the memory of those before them."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints how many pages the system had to clear in each epoch of three steps.
STEPS = """
import platform, resource, torch
from evae.compute.processes import Processes
from evae.configuration import Configuration
from evae.data import ImageData
from evae.training import Callback
from evae.training.loop import train_epoch
from evae.training.session import Session
from evae.training.steps import Steps

torch.set_num_threads(1)
pixels = torch.randint(0, 256, (300, 1, 32, 32), dtype=torch.uint8)
config, images = Configuration(dataset="mnist", device="cpu"), ImageData(pixels, pixels[:0])
steps = Steps(Session.begin(config, images, Processes()))
faults = []
for epoch in range(1, 7):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    train_epoch(steps, epoch, Callback())
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(platform.libc_ver()[0], *faults)
"""


def test_a_step_on_the_cpu_writes_to_no_new_page() -> None:
    result = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    library, *faults = result.stdout.split()
    if library != "glibc":
        pytest.skip("only glibc's malloc is told to keep memory")
    # Without it some 2,000 a step, in every epoch. With it the heap grows until it has room for what is needed at most.
    first, *later = map(int, faults)
    assert min(later) < 100 < first

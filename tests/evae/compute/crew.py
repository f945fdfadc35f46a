"""Starts processes as torchrun does, by forking: that spares importing torch in each of them.

Each line of standard input is a JSON object: ``folder`` (where each process writes its output), ``commands`` (for each
process the arguments of the command line), ``options`` (of a run that a callback stops after two epochs) or ``task`` (a
function of this module, given the processes and the folder), ``count`` and ``joins`` (how often they join for it); and
what befalls a process: ``victim`` (its rank), ``signal`` and ``step`` (after which it sends that to itself), or
``file_size`` (the largest file that it may write). As torchrun does, it ends those that are left when one fails, and
holds what they tell each other. The answer is the exit codes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.optim.optimizer import register_optimizer_step_post_hook

import cli
from evae import EarlyStopping, data, train
from evae.compute.batch_norm import SharedBatchNorm2d
from evae.compute.processes import Processes, process_group
from evae.configuration.configuration import Configuration
from evae.training.session import Session
from evae.training.steps import Steps

#: torchrun has more patience.
SECONDS_TO_END = 20


def normalise(processes: Processes, folder: Path) -> None:
    """Write what a shared batch normalisation makes of this process's rows of a batch, and of their gradient."""
    batch = load_file(folder / "given.safetensors")
    layer = nn.BatchNorm2d(batch["input"].shape[1]).to(batch["input"].dtype)
    layer.load_state_dict({name: batch[name] for name in layer.state_dict()})
    shared = SharedBatchNorm2d(layer, processes)
    ends = batch["ends"].tolist()
    rows = slice(ends[processes.place.rank], ends[processes.place.rank + 1])
    images = batch["input"][rows].clone().requires_grad_()
    output = shared(images)
    output.backward(batch["gradient"][rows])
    assert shared.weight.grad is not None
    assert shared.bias.grad is not None
    assert images.grad is not None
    written = {
        "output": output.detach(),
        "of_input": images.grad,
        "of_weight": shared.weight.grad,
        "of_bias": shared.bias.grad,
        "in_evaluation": shared.eval()(batch["input"]).detach(),
        **shared.state_dict(),
    }
    save_file({name: tensor.contiguous() for name, tensor in written.items()}, folder / f"{processes.place.rank}")


def gradients(processes: Processes, folder: Path) -> None:
    """Write the gradients of one step in double precision."""
    save_file(step_in_double_precision(processes), folder / f"{processes.place.rank}")


def step_in_double_precision(processes: Processes) -> dict[str, Tensor]:
    config = Configuration(model="evae", latent_dim=3, device="cpu")
    session = Session.begin(config, data.load("digits", limit_train=20), processes)
    model = session.model.double()
    steps = Steps(dataclasses.replace(session, replica=processes.replica(model)))
    steps.reseed(1)
    with mock.patch("evae.training.steps.as_images", lambda pixels: pixels.double() / 255):
        steps(torch.arange(7)[None])
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name: gradient.contiguous() for name, gradient in found.items() if gradient is not None}


TASKS: dict[str, Callable[[Processes, Path], None]] = {"normalise": normalise, "gradients": gradients}


def start(order: dict[str, Any], rank: int, port: int) -> int:
    count = order.get("count") or len(order["commands"])
    outputs = [Path(order["folder"]) / f"{name}-{rank}" for name in ("out", "err")]
    for output in outputs:
        # Here, because a process may be ended before it does anything.
        output.write_bytes(b"")
    process = os.fork()
    if process:
        return process
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    os.environ.update({name: str(value) for name, value in {**place, **address, "TORCHELASTIC_RUN_ID": 1}.items()})
    for number, output in enumerate(outputs, 1):
        os.dup2(os.open(output, os.O_WRONLY), number)
    try:
        if order.get("victim") == rank:
            befall(order)
        if "commands" in order:
            cli.main(order["commands"][rank])
        if "options" in order:
            train(Configuration(**order["options"]), EarlyStopping(patience=1, min_delta=1e9))
            os._exit(0)
        for _ in range(order.get("joins", 1)):
            with process_group(torch.device("cpu")) as processes:
                TASKS[order["task"]](processes, Path(order["folder"]))
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(70)


def befall(order: dict[str, Any]) -> None:
    steps = iter(range(1, 10**9))

    def send(*_arguments: Any) -> None:
        if next(steps) == order["step"]:
            for _ in range(order.get("times", 1)):
                os.kill(os.getpid(), order["signal"])

    if "signal" in order:
        register_optimizer_step_post_hook(send)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))


def serve_store() -> tuple[int, int]:
    """Fork what holds the texts and numbers that processes leave for each other; return its process and port."""
    answers, report = os.pipe()
    process = os.fork()
    if process == 0:
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        os.write(report, str(store.port).encode())
        os.close(report)
        signal.pause()
    os.close(report)
    with os.fdopen(answers) as stream:
        return process, int(stream.read())


def codes(running: dict[int, int]) -> list[int]:
    """Wait until all processes have ended; end those that are left when one has failed."""
    ended: dict[int, int] = {}
    deadline = None
    while len(ended) < len(running):
        for process, rank in running.items():
            if rank not in ended:
                has_ended, status = os.waitpid(process, os.WNOHANG)
                if has_ended:
                    ended[rank] = os.waitstatus_to_exitcode(status)
        left = [process for process, rank in running.items() if rank not in ended]
        if deadline is None and any(ended.values()):
            deadline = time.monotonic() + SECONDS_TO_END
            for process in left:
                os.kill(process, signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline:
            for process in left:
                os.kill(process, signal.SIGKILL)
        # As often as torchrun looks.
        time.sleep(0.1)
    return [ended[rank] for rank in sorted(ended)]


def serve() -> None:
    """Answer orders, one per line, until the end of the input."""
    for line in sys.stdin:
        order = json.loads(line)
        store, port = serve_store()
        try:
            count = order.get("count") or len(order["commands"])
            answer = codes({start(order, rank, port): rank for rank in range(count)})
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(store, signal.SIGKILL)
            os.waitpid(store, 0)
        print(json.dumps(answer), flush=True)

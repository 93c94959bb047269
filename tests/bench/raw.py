"""The ceiling: bare LiteRT processes that infer decoded arrays and do nothing else.

``python -m tests.bench.raw <model> <seconds>`` prints the images a second of one process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import numpy as np

from tests.bench.steps import BenchError

IMAGE_SIZE = 224
_DIFFERENT_IMAGES = 64
_WARM_UP_IMAGES = 20


def raw_images_per_second(model: Path, seconds: float, processes: int) -> float:
    """What so many processes at once reach together; raises BenchError with what they say when they fail."""
    command = [sys.executable, "-m", "tests.bench.raw", str(model), str(seconds)]
    running = [subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) for _ in range(processes)]
    said = [process.communicate() for process in running]
    if any(process.returncode for process in running):
        raise BenchError("".join(errors for _, errors in said))
    return sum(float(rate) for rate, _ in said)


def measure(model: Path, seconds: float) -> float:
    """Images a second of this process."""
    from ai_edge_litert.interpreter import Interpreter  # the parent needs none

    interpreter = Interpreter(model_content=model.read_bytes(), num_threads=1)
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], [1, IMAGE_SIZE, IMAGE_SIZE, 3])
    interpreter.allocate_tensors()
    shape = (_DIFFERENT_IMAGES, 1, IMAGE_SIZE, IMAGE_SIZE, 3)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)

    def infer(image: np.ndarray) -> None:
        interpreter.set_tensor(taken["index"], image)
        interpreter.invoke()
        interpreter.get_tensor(given["index"])

    for image in images[:_WARM_UP_IMAGES]:
        infer(image)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        infer(images[done % _DIFFERENT_IMAGES])
        done += 1
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(f"{measure(Path(sys.argv[1]), float(sys.argv[2]))}\n")

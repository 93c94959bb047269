"""MobileNetV2 as a packaged TensorFlow Lite model, run by LiteRT (fp32, XNNPACK, one thread)."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lambdas.contract.plan import FEATURE_DIM
from spark.datasets.object_store import read_uri
from spark.errors import StepFailedError
from spark.images.decoding import scale


def fetch_verified(uri: str, sha256: str) -> bytes:
    """The bytes at ``uri``, which must have the hash ``sha256`` (hex).

    Raises:
        StepFailedError: there is no such object, or it is another one.
    """
    redeploy = "deploy the stack again: it uploads the packaged model, named by its hash"
    try:
        data = read_uri(uri)
    except FileNotFoundError as error:
        raise StepFailedError("ours", f"the model {uri} is not there", redeploy) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise StepFailedError("ours", f"the model {uri} has sha256 {found}, the plan says {sha256}", redeploy)
    return data


class FeatureExtractor:
    """The network up to its global average pool, for one picture at a time.

    One packaged model, converted at 224 pixels, serves every size: all strided layers of MobileNetV2 see
    even sides at multiples of 32, so that the padding that was baked in at conversion is right for each.
    """

    def __init__(self, model: bytes, image_size: int) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, [1, image_size, image_size, 3])
        self._interpreter.allocate_tensors()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [size, size, 3], RGB -> float32 [1280]."""
        # Straight into the network's input: fresh pages for 600 kB of floats cost as much as the resizing.
        scale(pixels, out=self._interpreter.tensor(self._input)()[0])
        self._interpreter.invoke()
        return np.array(self._interpreter.get_tensor(self._output)).reshape(FEATURE_DIM)


@lru_cache(maxsize=1)
def feature_extractor(model: bytes, image_size: int) -> FeatureExtractor:
    """The extractor of this process: a worker serves many shards, and builds it once."""
    return FeatureExtractor(model, image_size)

"""Pictures as libpng and libjpeg show them, by TensorFlow's build of both, on white."""

from __future__ import annotations

import os

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

MAX_SIDE = 200
CMYK = 4
"""Components; of what Adobe means by it, TensorFlow knows nothing."""


def shown(data: bytes) -> np.ndarray | None:
    """uint8 [height, width, 3] of a small square picture that TensorFlow decodes; else null."""
    try:
        if data.startswith(b"\x89PNG"):
            rgba = tf.io.decode_png(data, channels=4).numpy().astype(float)
            alpha = rgba[..., 3:] / 255
            # What has no alpha, TensorFlow gives the largest value of the picture's own depth.
            if (rgba[..., 3] == 2 ** data[24] - 1).all():
                alpha = 1.0
            picture = rgba[..., :3] * alpha + 255 * (1 - alpha)
        elif data.startswith(b"\xff\xd8\xff") and tf.io.extract_jpeg_shape(data).numpy()[2] != CMYK:
            picture = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        else:
            return None
    except tf.errors.OpError:
        return None
    height, width = picture.shape[:2]
    return np.asarray(picture).round().astype(int) if height == width <= MAX_SIDE else None

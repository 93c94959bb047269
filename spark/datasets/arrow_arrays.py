"""Arrow schemas of declared columns, and Arrow arrays from buffers and back.

From buffers, because ``pyarrow.array`` and ``to_numpy`` import pandas, a second each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lambdas.contract.tables import Column, ColumnType

_TYPES = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float32(),
    ColumnType.FLOATS: pa.list_(pa.float32()),
}


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a table with these columns, in their order."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in columns])


def strings(values: Sequence[str | None]) -> pa.StringArray:
    """Text, or null."""
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    text = pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), text, _validity(values))


def integers(values: Sequence[int | None]) -> pa.Int64Array:
    """Whole numbers of 64 bits, or null."""
    numbers = np.array([value or 0 for value in values], np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [_validity(values), pa.py_buffer(numbers)])


def floats(values: np.ndarray) -> pa.FloatArray:
    """The elements of a float32 array, in C order."""
    buffer = pa.py_buffer(np.ascontiguousarray(values, np.float32))
    return pa.Array.from_buffers(pa.float32(), values.size, [None, buffer])


def float_lists(matrix: np.ndarray) -> pa.ListArray:
    """One list a row of a float32 array [n, d]."""
    rows, width = matrix.shape
    offsets = pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * np.int32(width))
    return pa.Array.from_buffers(pa.list_(pa.float32()), rows, [None, offsets], children=[floats(matrix)])


def matrix(lists: pa.ListArray, width: int) -> np.ndarray:
    """The other way round: float32 array [n, width] of lists of ``width`` floats, none of them null."""
    flat = lists.flatten()
    start = flat.offset * flat.type.bit_width // 8
    return np.frombuffer(flat.buffers()[1], np.float32, len(flat), start).reshape(-1, width)


def _validity(values: Sequence[object]) -> pa.Buffer:
    present = np.array([value is not None for value in values], np.bool_)
    return pa.py_buffer(np.packbits(present, bitorder="little"))

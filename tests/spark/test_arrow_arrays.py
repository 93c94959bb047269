from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spark.datasets.arrow_arrays import float_lists, floats, integers, strings
from spark.datasets.arrow_arrays import matrix as matrix_of
from tests.spark.conftest import REPOSITORY


@given(values=st.lists(st.none() | st.text(max_size=5)))
def test_strings_are_what_arrow_makes_of_them(values: list[str | None]) -> None:
    strings(values).validate(full=True)
    assert strings(values).equals(pa.array(values, pa.string()))


@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integers_are_what_arrow_makes_of_them(values: list[int | None]) -> None:
    assert integers(values).equals(pa.array(values, pa.int64()))


@given(rows=st.integers(0, 5), width=st.integers(1, 5))
def test_float_lists_are_the_rows(rows: int, width: int) -> None:
    matrix = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
    float_lists(matrix).validate(full=True)
    assert float_lists(matrix).to_pylist() == matrix.tolist()
    for start in range(rows + 1):
        assert np.array_equal(matrix_of(float_lists(matrix)[start:], width), matrix[start:])


def test_floats_are_the_elements_of_any_array() -> None:
    columns = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert floats(columns[1]).equals(pa.array(columns[1]))
    assert floats(np.empty(0, np.float32)).equals(pa.array([], pa.float32()))


def test_scoring_a_part_does_not_import_pandas() -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa; "
        "from spark.datasets.arrow_arrays import *; from spark.steps.pca import *; "
        "features = float_lists(np.eye(3, 1280, dtype=np.float32)); names = strings(['a', 'b', 'c']); "
        "table = pa.Table.from_arrays([names, names, features], names=['path', 'label', 'features']); "
        "model = PcaModel(np.zeros(1280), np.ones(1280), np.eye(2, 1280), np.ones(2), np.ones(2)); "
        "lists, columns = score_part(table, model); encode_csv(columns); "
        "assert columns.column('pc_02').to_pylist() == [0, 1, 0]; "
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_a_shards_columns_do_not_import_pandas() -> None:
    code = (
        "import sys, numpy as np; from spark.features import litert_engine; "
        "from spark.datasets.arrow_arrays import *; "
        "strings(['a', None]).to_pylist(), integers([1]), float_lists(np.zeros((2, 3), np.float32)); "
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)

"""How machines are divided: worked by hand from EC2's memory sizes and the rules of the module."""

from __future__ import annotations

import pytest

from lambdas.runs.sizing import Executor, executor_for, usable_mb


@pytest.mark.parametrize(
    ("instance_type", "usable"),
    [
        # A quarter stays with the system, 8 GiB at most: c5 has 2 GiB a vCPU, m5 4, r5 8.
        ("c5.xlarge", 8192 - 2048),
        ("c5.4xlarge", 32768 - 8192),
        ("m5.xlarge", 16384 - 4096),
        ("m5.2xlarge", 32768 - 8192),
        ("m5.4xlarge", 65536 - 8192),
        ("r5.xlarge", 32768 - 8192),
        ("r5.2xlarge", 65536 - 8192),
    ],
)
def test_the_system_keeps_a_quarter_of_a_machine_and_no_more_than_eight_gib(
    instance_type: str, usable: int
) -> None:
    assert usable_mb(instance_type) == usable


@pytest.mark.parametrize(
    ("instance_types", "executor"),
    [
        # 12288 - 896 for the application master = 11392, a multiple of 32. Four workers come first.
        (("m5.xlarge",), Executor(4, 5248, 6144)),
        # 6144 - 896 = 5248: four workers at their worst would leave no heap, which keeps its 1024.
        (("c5.xlarge",), Executor(4, 1024, 4224)),
        # 24576 - 896 = 23680: with that much, heap and workers share equally.
        (("r5.xlarge",), Executor(4, 11840, 11840)),
        # Eight task slots in (12288 - 896), of a c5.2xlarge: 8 x 1536 would be more than there is.
        (("c5.2xlarge",), Executor(8, 1024, 10368)),
        # The smallest machine and the least memory: two executors on the larger one, (24576 - 896) // 2.
        (("m5.2xlarge", "r5.xlarge"), Executor(4, 5696, 6144)),
        # (57344 - 896) // 4 = 14112, but the m5.xlarge has less.
        (("m5.4xlarge", "m5.xlarge"), Executor(4, 5248, 6144)),
        # (24576 - 896) // 4 = 5920 on each quarter of the c5.4xlarge.
        (("c5.4xlarge", "m5.xlarge"), Executor(4, 1024, 4896)),
    ],
)
def test_an_executor_is_as_wide_as_the_smallest_machine_and_workers_come_first(
    instance_types: tuple[str, ...], executor: Executor
) -> None:
    assert executor_for(instance_types) == executor


def test_yarn_hands_out_exactly_the_executors_and_the_application_master() -> None:
    executor = Executor(cores=4, heap_mb=5248, overhead_mb=6144)
    assert executor.container_mb == 11392
    assert [executor.count(name) for name in ("m5.xlarge", "m5.2xlarge", "m5.4xlarge")] == [1, 2, 4]
    assert executor.yarn_mb("m5.2xlarge") == 2 * 11392 + 512 + 384

"""How Spark takes the loss of nodes: settings for long steps of shards that may be computed again. Pure.

A shard is a task; it writes objects that are the same whoever writes them. So giving a node up too early
costs the seconds of its shards, and too late those of everybody who waits for the last one.

What a node needs that Spot takes away, EMR sets by itself: no task is put on it any more, and what it wrote
is not waited for (EMR Release Guide, "Configure Spark": spark.blacklist.decommissioning.enabled and others).
Spark's own decommissioning (spark.decommission.enabled) is not for YARN, and moves blocks; none of ours is
worth it.

Source of properties and defaults: Spark 3.5, "Configuration" and "Running Spark on YARN".
"""

from __future__ import annotations

TASK_FAILURES = 8
"""Of one shard, before the step fails. Spark's 4 are used up by four nodes that are lost under it. What fails
for good, like a bucket that refuses, fails fast, and eight times are soon over."""


def resilience(executors: int) -> dict[str, str]:
    """Properties of ``spark-defaults`` for as many executors."""
    return {
        # When the connection to a node breaks, the driver asks YARN why, which for ten minutes knows nothing
        # of a node that is gone. Until this has passed its shards are nobody's; by default 120 s.
        "spark.rpc.askTimeout": "20s",
        # A node that hangs breaks no connection. It is given up when nothing was heard of it for so long
        # (120 s), which is looked at so often (60 s).
        "spark.storage.blockManagerHeartbeatTimeoutMs": "60s",
        "spark.network.timeoutInterval": "10s",
        "spark.task.maxFailures": str(TASK_FAILURES),
        # Nothing else notices a program that hangs on a node that is well: a shard that takes three times as
        # long as most is begun once more on a slot that has nothing left to do. Measured on two nodes: of 30
        # equal tasks none was begun twice; where one hung, the job ended after 38 s, and never without this.
        "spark.speculation": "true",
        "spark.speculation.quantile": "0.9",
        "spark.speculation.multiplier": "3",
        "spark.speculation.minTaskRuntime": "60s",
        # What nodes lose of the sums that PCA shuffles is computed again as a stage: 4 times in a row.
        "spark.stage.maxConsecutiveAttempts": str(TASK_FAILURES),
        # Twice the executors by default: with few, the application would end before a shard has failed often
        # enough, and without saying of what.
        "spark.executor.maxNumFailures": str(TASK_FAILURES * executors),
    }

"""`make chaos`: the deployed Lambdas against an EMR that misbehaves, and what must hold all the same.

::

    workload       what is uploaded and delivered, and what goes wrong: all drawn from one seed
    steps          what the steps leave, without taking time
    older_release  whose code is at work first
    upgrade        gives the functions today's code in the middle, one after another
    load_test      lets it happen in a local cloud, until every run has ended
    traces         reads what it left behind
    invariants     counts what must not be, from what EMR really had, the ledger and the bucket; pure
"""

"""`make chaos`: the deployed Lambdas against services that misbehave, and what must hold all the same.

::

    workload       what is uploaded and delivered, and what goes wrong: all drawn from one seed
    load_test      lets it happen in a local cloud, until every run has ended and is told of
    steps          what the steps leave, without taking time
    services       what goes wrong at DynamoDB, S3 and SNS meanwhile
    older_release  whose code is at work first
    upgrade        gives the functions today's code in the middle, one after another
    traces         reads what it left behind
    invariants     counts what must not be, from what EMR really had, the ledger and the bucket; pure
    queueing       whether runs wait longer because others are broken; pure
"""

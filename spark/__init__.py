"""The Spark plane: the two steps of a run. They read the plan and write below its root.

::

    step.py          what spark-submit runs         session.py   the Spark session
    runner.py        one step and its report        progress.py  progress, phase times, run-time limit
    tally.py         what the tasks have done
    featurize.py     step 1, for either engine      pca.py       step 2, for either engine
    fast.py          the default engine             reference.py the brief's own recipe, the yardstick
    index.py         which images, in which shard   listing.py   folders in key order, side by side
    pipeline.py      fetch ahead, decode, infer     shards.py    one shard: objects, record, resume
    images.py        bytes to pixels, or why not    labels.py    paths to labels
    reuse.py         features of an earlier run     model.py     the packaged network
    pca_model.py     moments and components         saved_model.py  the model as objects, also MLlib's
    columns.py       Arrow without pandas
    dataset.py       parts, manifest, _SUCCESS      storage.py   objects by URI
    errors.py        how a step fails               package_model.py  weights to a packaged model
"""

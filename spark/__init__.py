"""The Spark plane: the two steps of a run. They read the plan and write below its root.

::

    steps/       what spark-submit runs: featurize, pca, their progress and reports
    images/      bytes to pixels, or why not
    features/    pixels to 1,280 floats: the packaged network, the two engines, shards and their reuse
    datasets/    objects by URI, the index of images and labels, published data sets
    components/  features to principal components: the exact PCA and its store
    errors.py    how a step fails
"""

"""From images to features: the packaged network, the two engines that run it, and their shards."""

"""Policy as code: what every resource of the stack must and must not be.

``resource`` is what a rule looks at, ``rules`` and ``grants`` are pure functions over it, ``documents`` reads
the JSON inside of properties, and ``pack/`` hands the rules to `pulumi preview --policy-pack`. Nothing here
imports Pulumi: the pack has an environment of its own, because pulumi-policy and TensorFlow ask for different
versions of protobuf.
"""

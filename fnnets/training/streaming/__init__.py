"""Training on data that stream: the loader and the epoch over its chunks."""

"""Data sets as objects: listing, the index of images, their labels, publication."""

"""One image: from the bytes of a picture to pixels of the wanted size."""

"""The manifest: its schema, reading the JSON that a person wrote, and what is said of every mistake in it."""

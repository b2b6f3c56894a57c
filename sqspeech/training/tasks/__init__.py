"""Tasks that the engine trains: a file each (see `base`)."""

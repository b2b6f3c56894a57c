"""Evaluation of speech by judges: models that were trained elsewhere."""

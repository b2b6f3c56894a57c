"""Metrics, one file each; a metric that registers itself is part of every evaluation of its kind."""

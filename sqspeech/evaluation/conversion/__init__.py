"""Evaluation of conversions."""

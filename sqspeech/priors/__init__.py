"""Learned priors: language models of units."""

"""Corpora to Kaldi data directories, one module a corpus."""

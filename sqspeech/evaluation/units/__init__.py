"""Evaluation of the units of one or more systems, beside MFCC and log-mel."""

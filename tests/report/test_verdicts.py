"""Sentences on the figures: those that follow from the numbers, and none where there is nothing to compare with."""

import pytest

from sqspeech.report.key_figures import KEY_FIGURES, key_figures
from sqspeech.report.verdicts import VERDICTS, verdict

JUDGES = {"judges_copy_word_error": 10.0, "judges_copy_distillmos": 3.5, "judges_natural_nearest_target": 95.0}


@pytest.mark.parametrize(
    ("key", "scalars", "sentence"),
    [
        ("mse_db2", {"mse_percent": 20.0}, "Units and speaker keep 80 % of what varies in the spectrogram."),
        ("mse_db2", {"mse_percent": 130.0}, "Units and speaker keep 0 % of"),
        ("bitrate", {"bitrate": 0.0}, "All units are the same"),
        ("perplexity", {"perplexity": 60.0, "codebook_size": 64}, "The codes are used evenly"),
        ("perplexity", {"perplexity": 40.0, "codebook_size": 64}, "The codes are used unevenly"),
        ("perplexity", {"perplexity": 8.0, "codebook_size": 64}, "The codes are used very unevenly: as much as 12%"),
        ("active_codes", {"active_codes": 64, "codebook_size": 64}, "No code is wasted."),
        ("active_codes", {"active_codes": 60, "codebook_size": 64}, "4 codes do no work."),
        ("bitrate", {"bitrate": 320.0}, "800 times less than"),
        ("abx_across", {"abx_across": 15.0, "abx_across_mfcc": 25.5}, "phones apart better than MFCC, by 10.5 points."),
        ("abx_within", {"abx_within": 15.0, "abx_within_mfcc": 12.0}, "phones apart worse than MFCC, by 3.0 points."),
        ("abx_within", {"abx_within": 12.5, "abx_within_mfcc": 12.0}, "about as well as MFCC."),
        (
            "parallel_mel_to_target_db",
            {"parallel_mel_to_target_db": 5.0, "parallel_mel_to_source_db": 6.0},
            "The timbre is nearer to the target.",
        ),
        (
            "judges_conversion_similarity_target",
            {"judges_conversion_similarity_target": 0.6, "judges_conversion_similarity_source": 0.7},
            "The voice is nearer to the source: conversion does not reach the target.",
        ),
        ("judges_conversion_word_error", {"judges_conversion_word_error": 45.0}, "Units lose 35 of 100 words more"),
        ("judges_reconstruction_word_error", {"judges_reconstruction_word_error": 10.2}, "As many words"),
        ("judges_conversion_distillmos", {"judges_conversion_distillmos": 2.5}, "Units cost 1.0 of 5"),
        ("judges_conversion_nearest_target", {"judges_conversion_nearest_target": 70.0}, "25 of 100 conversions"),
    ],
)
def test_the_sentence_follows_from_the_figures(key, scalars, sentence):
    assert sentence in verdict(key, scalars | JUDGES)


def test_each_key_figure_has_a_sentence_and_none_without_what_it_is_compared_with():
    assert VERDICTS.keys() == {figure.key for figure in KEY_FIGURES}
    (shown,) = key_figures({"abx_across": 17.5})
    assert shown.verdict == ""

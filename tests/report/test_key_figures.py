from sqspeech.report.key_figures import key_figures, other_figures

METRICS = {
    "judges": {
        "natural": {"word_error": 12.0, "distillmos": 4.25},
        "copy": {"word_error": 13.0, "distillmos": 3.6},
        "conversion": {
            **{"word_error": 40.0, "word_error_std": 21.5, "distillmos": 2.5, "distillmos_std": 0.25},
            **{"similarity_target": 0.8, "similarity_target_std": 0.05, "similarity_source": 0.7, "pesq": None},
        },
    }
}


def test_judged_conversions_are_beside_natural_speech_and_the_vocoder_with_their_spread():
    found = {shown.figure.name: (shown.shown, shown.beside) for shown in key_figures(METRICS)}
    assert found == {
        "Conversion: word error": ("40", "± 21.5 over utterances; natural 12.0 %, vocoder alone 13.0 %"),
        "Conversion: DistillMOS": ("2.5", "± 0.25 over utterances; natural 4.25, vocoder alone 3.60"),
        "Conversion: similarity": ("0.8", "± 0.050 to the target speaker; 0.700 to the source"),
    }
    assert other_figures(METRICS) == {}

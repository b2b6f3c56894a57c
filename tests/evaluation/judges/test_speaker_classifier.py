from corpus import SPEAKERS, voice

from sqspeech.evaluation.judges.speaker_classifier import SpeakerClassifier


def test_unseen_utterances_are_classified_by_speaker():
    natural = [(voice(f0, sentence), speaker) for speaker, f0 in SPEAKERS.items() for sentence in range(6)]
    classifier = SpeakerClassifier(natural, 16000)
    held_out = [(voice(f0, sentence), speaker) for speaker, f0 in SPEAKERS.items() for sentence in range(6, 10)]
    assert classifier.accuracy(held_out) >= 60  # chance is 25
    wrong = [(samples, "f1" if speaker != "f1" else "m1") for samples, speaker in held_out]
    assert classifier.accuracy(wrong) <= 20

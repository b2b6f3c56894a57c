"""Models that judge speech, trained on natural speech."""

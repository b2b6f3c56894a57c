"""A local page to hear a model: conversions, units, new speakers and generated speech."""

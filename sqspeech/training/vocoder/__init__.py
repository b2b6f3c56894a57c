"""Parts of the task `vocoder`: its data, losses and discriminators."""

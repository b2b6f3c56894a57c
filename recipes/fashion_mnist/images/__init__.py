"""SQ-VAE on images: a task of the training engine, with its data, evaluation, prior and pictures."""

"""Speech representation with stochastically quantised variational autoencoders."""

__version__ = "0.1.0"

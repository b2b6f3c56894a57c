"""Speech representation with stochastically quantised variational autoencoders.

The public names are listed in `__init__.pyi`. Each is imported when it is first used (PEP 562), so that
`import sqspeech` is fast and torch is loaded only by what needs it.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# The public names, once: type checkers and editors read them here, and `__init__.py` loads them from here.
from . import audio as audio
from . import features as features
from . import quantizers as quantizers
from . import units as units
from . import vocoders as vocoders
from .checkpoint import TrainedModel as TrainedModel
from .codec import Codec as Codec
from .config import ExperimentConfig as ExperimentConfig
from .config import load_config as load_config
from .conversion import Converter as Converter
from .conversion import enroll as enroll
from .data.data_dir import DataDir as DataDir
from .errors import SqspeechError as SqspeechError
from .evaluation.evaluate import evaluate as evaluate
from .features import LogMel as LogMel
from .features import LogMelConfig as LogMelConfig
from .hub import push as push
from .model_card import model_card as model_card
from .priors.trained import Prior as Prior
from .training import Trainer as Trainer
from .units import UnitExtractor as UnitExtractor
from .units import Units as Units
from .units import UnitSet as UnitSet
from .units import UnitStream as UnitStream

__version__: str

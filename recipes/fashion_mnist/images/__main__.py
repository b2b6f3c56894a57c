"""The command line of sqspeech with the tasks of images: `python -m images train DATA EXP --config conf/i.yaml`."""

import images.prior
import images.task  # noqa: F401 (they register themselves)
from sqspeech import cli

if __name__ == "__main__":
    cli.main()

"""`python -m sqspeech.cli`."""

from sqspeech.cli import main

if __name__ == "__main__":
    main()

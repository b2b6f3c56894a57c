"""One self-contained HTML page about an experiment."""

from sqspeech.report.page import write_report

__all__ = ["write_report"]

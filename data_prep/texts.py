"""The texts of recordings, in a file each."""

from collections.abc import Iterable
from pathlib import Path

from data_prep.inventory import Inventory
from data_prep.recordings import spoken
from sqspeech.names import shown


class Texts:
    """Files of texts, and which of them cannot be read."""

    def __init__(self) -> None:
        self.unread: set[Path] = set()

    def first(self, paths: Iterable[Path]) -> str | None:
        """Return the text of the first of the files that is there and has one."""
        return next((text for path in paths if (text := self._text(path))), None)

    def remark(self, inventory: Inventory) -> None:
        """Note in `inventory` what could not be read."""
        if self.unread:
            example = shown(min(self.unread))
            inventory.remarks.append(f"texts that are not UTF-8, so left out: {len(self.unread)}, such as {example}")

    def _text(self, path: Path) -> str | None:
        try:
            return spoken(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            self.unread.add(path)
            return None

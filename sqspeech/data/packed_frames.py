"""Former name of `sqspeech.data.frame_cache`, for scripts that import it; nothing here does."""

from sqspeech.data.frame_cache import ResidentFrames, pack

__all__ = ["ResidentFrames", "pack"]

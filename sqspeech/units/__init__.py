"""Discrete acoustic units."""

from sqspeech.units.extraction import centres, extract, write_units
from sqspeech.units.unit_set import UnitInfo, Units, UnitSet

__all__ = ["UnitInfo", "UnitSet", "Units", "centres", "extract", "write_units"]

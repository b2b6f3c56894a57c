"""The comparison's table of stages; tests/benchmarks/test_compare.py tests what it runs."""

from recipe_runs import RECIPES, bash

COMPARE = """\
# stage 3: Training and evaluation
python -m benchmarks.compare conf/models.yaml --exp exp/models --dump ../mini/dump/demo --data ../mini/data/test \
--item ../mini/data/test/phones.item --jobs 2 --device auto
# stage 7: Report
python -m benchmarks.compare conf/models.yaml --exp exp/models --table-only
"""


def test_the_recipe_is_frozen():
    assert bash(RECIPES / "compare", "--dry-run") == COMPARE


def test_a_test_set_without_items_is_compared_without_abx():
    assert bash(RECIPES / "compare", "--dry-run", "--item=") == COMPARE.replace(
        "--item ../mini/data/test/phones.item ", ""
    )


def test_each_table_is_an_option():
    commands = bash(RECIPES / "compare", "--dry-run", "--config", "codebook_size")
    assert commands == COMPARE.replace("models", "codebook_size")

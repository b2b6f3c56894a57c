"""The pages of the public names: those of `sqspeech/__init__.pyi`, and those that its modules publish."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pages() -> dict[str, str]:
    """Return the pages in Markdown by name: `sqspeech`, then its modules."""
    names, modules = public_names()
    return {"sqspeech": "\n".join(_package(names, modules))} | {name: "\n".join(_module(name)) for name in modules}


def public_names() -> tuple[dict[str, str], list[str]]:
    """Return the classes and functions of the package with their places, and the modules."""
    names, modules = dict[str, str](), list[str]()
    for node in ast.parse((ROOT / "sqspeech/__init__.pyi").read_text(encoding="utf-8")).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                names[alias.name] = f"sqspeech.{node.module}.{alias.name}"
            else:
                modules.append(alias.name)
    return names, modules


def _package(names: dict[str, str], modules: list[str]) -> Iterator[str]:
    yield "# sqspeech\n\n`from sqspeech import NAME`; a name is loaded when it is used."
    yield "The keys of the classes `...Config` are those of the [configuration](../configuration.md).\n"
    for name, path in names.items():
        module = path.split(".")[1]
        # A name has one place on the site, that of its module.
        there = f"[`{name}`][{path}] is that of [sqspeech.{module}]({module}.md).\n"
        yield there if module in modules else f"::: {path}\n"


def _module(module: str) -> Iterator[str]:
    path = ROOT / "sqspeech" / module
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    yield f"# sqspeech.{module}\n\n{ast.get_docstring(tree)}\n"
    yield from (f"::: sqspeech.{module}.{name}\n" for name in _published(tree))


def _published(tree: ast.Module) -> list[str]:
    """Return the names in `__all__` or, without it, the classes and functions that begin with no underscore."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return [name for name in defined if not name.startswith("_")]

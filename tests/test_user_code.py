"""Objects of a user's own, from files and modules."""

from __future__ import annotations

import dataclasses

import pytest

from siamjax import fields
from siamjax.errors import ConfigError
from siamjax.user_code import load_object

FILE = """
from __future__ import annotations
import dataclasses
from pathlib import PurePosixPath
from typing import Annotated
from siamjax.fields import Within

@dataclasses.dataclass(frozen=True)
class Own:
    number: Annotated[int, Within(1, 9)] = 3

path, other, number = PurePosixPath("a"), PurePosixPath("b"), Own()
"""


def load(given, kind=object, default="number"):
    return load_object(given, kind, default, what="toy")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text(FILE)
    return path


def test_of_a_file_by_its_usual_name_and_by_another(file):
    from pathlib import PurePosixPath
    assert load(file, PurePosixPath, "path") == PurePosixPath("a")
    assert load(f"{file}:other", PurePosixPath, "path") == PurePosixPath("b")


def test_of_a_module(monkeypatch, file):
    monkeypatch.syspath_prepend(str(file.parent))
    assert load("toy:number").number == 3


def test_classes_of_a_file_have_their_annotations(file):
    own = load(file)
    fields.check(own)
    with pytest.raises(ConfigError, match="number is 12"):
        fields.check(dataclasses.replace(own, number=12))


@pytest.mark.parametrize(("given", "said"), [
    ("{folder}/none.py", "there is no such toy file"), ("{folder}/none.py:x", "there is no such toy file"),
    ("{folder}", "no such toy file"), ("nothing_of_that_name:x", "No module named"), ("ope", "no such toy file"),
    ("{folder}/toy.py:absent", "has no `absent = int"), ("{folder}/toy.py", "has no `number = int"),
    ("{folder}/bad.py", "ZeroDivisionError"), ("{folder}/worse.py", "SyntaxError"),
    ("{folder}/words.txt", "ends in .py"),
    ("C:\\x", "no such toy file"), ("", "no such toy file")])
def test_what_is_no_such_object_is_one_line(given, said, file):
    (file.parent / "bad.py").write_text("x = 1\ny = 1 / 0\n")
    (file.parent / "worse.py").write_text("x = = 1\n")
    (file.parent / "words.txt").write_text("number = 3\n")
    with pytest.raises(ConfigError, match=said) as error:
        load(given.format(folder=file.parent), int)
    assert "\n" not in str(error.value)


def test_the_line_of_a_mistake_is_named(file):
    (file.parent / "bad.py").write_text("x = 1\ny = 1 / 0\n")
    with pytest.raises(ConfigError, match=r"bad\.py, line 2"):
        load(file.parent / "bad.py")

"""That the files which describe the package agree with it and with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import mmg_nb

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def cited(key: str) -> str:
    (value,) = re.findall(rf"^{key}: (.+)$", CITATION, flags=re.MULTILINE)
    return value


def test_the_citation_names_this_version_and_its_licence():
    assert cited("version") == mmg_nb.__version__
    assert cited("license") == PROJECT["license"]
    assert cited("title") == mmg_nb.__name__
    assert cited("cff-version") == "1.2.0"


def test_the_licence_and_the_citation_name_the_same_authors():
    holder = re.search(r"Copyright \(c\) \d+ (.+)", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    assert f"- name: {holder[1]}\n" in CITATION


def test_the_citation_names_the_paper_that_the_project_and_the_readme_name():
    paper = PROJECT["urls"]["Paper"]
    assert f"url: {paper}\n" in CITATION
    assert f"({paper})" in (ROOT / "README.md").read_text(encoding="utf-8")

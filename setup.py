"""The description for a package index: README.md, whose links to files lead into the repository, or are words."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def readable(text: str, repository: str | None) -> str:
    """Markdown for any place: relative links lead into the repository, or are words where it has no address."""
    image, link = r"!\[([^]]*)\]\((?!https?:|#)([^)]*)\)", r"\[([^]]*)\]\((?!https?:|#)([^)]*)\)"
    if repository is None:
        return re.sub(link, r"\1", re.sub(image, r"\1", text))
    text = re.sub(image, rf"![\1]({repository}/raw/main/\2)", text)
    return re.sub(link, rf"[\1]({repository}/blob/main/\2)", text)


if __name__ == "__main__":
    urls = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    setup(
        long_description=readable((HERE / "README.md").read_text(encoding="utf-8"), urls.get("Repository")),
        long_description_content_type="text/markdown",
    )

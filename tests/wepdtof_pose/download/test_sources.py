"""The registry of sources, and URLs as they are shown."""

from __future__ import annotations

from wepdtof_pose.download.sources import name_of_url, read_registry, shown


def test_the_registry_is_whole() -> None:
    sources = read_registry()
    assert set(sources) == {"wepdtof-pose", "wepdtof", "coco"}
    assert all(source.licence and source.citation and source.steps for source in sources.values())
    assert sum(file.size or 0 for file in sources["coco"].files if not file.optional) > 20e9


def test_urls_in_messages_and_as_names() -> None:
    assert shown("https://me:pw@host/a.zip?key=1") == "https://host/a.zip?..."
    assert name_of_url("https://host/a%20b/..%2F..%2Fevil.zip?x") == "evil.zip"
    assert name_of_url("https://host/") == "archive"

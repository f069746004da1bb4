"""Whether the links of a source answer, without downloading what they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wepdtof_pose.download.fetch import total_size
from wepdtof_pose.download.http import (
    Failed,
    Patience,
    Refused,
    blocks,
    new_session,
    opened,
    refuse_page,
)
from wepdtof_pose.download.sources import Source, shown

LINK_PATIENCE = Patience(tries=1, connect=10, stall=15)
_START = 1024


@dataclass(frozen=True)
class Link:
    """A URL and what it should be: a page for people, or a file of (perhaps) known size."""

    url: str
    is_page: bool = False
    size: int | None = None


@dataclass(frozen=True)
class LinkReport:
    """What a link answers: status, bytes and type (None where not told), and what is wrong."""

    link: Link
    status: int | None
    size: int | None
    content_type: str | None
    problem: str | None

    def line(self) -> str:
        """The report as one line of text."""
        found = (self.status or "-", "-" if self.size is None else self.size)
        kind = (self.content_type or "-").partition(";")[0].strip()
        verdict = "ok " if self.problem is None else "BAD"
        end = "" if self.problem is None else f"  ({self.problem})"
        return f"{verdict} {found[0]!s:>4} {found[1]!s:>12} {kind:<26} {shown(self.link.url)}{end}"


def links_of(source: Source) -> list[Link]:
    """All links of a source: its pages, then its files with all mirrors."""
    pages = [Link(url, is_page=True) for url in source.pages]
    return pages + [Link(url, size=file.size) for file in source.files for url in file.urls]


def check_links(
    links: Iterable[Link], *, patience: Patience = LINK_PATIENCE
) -> Iterator[LinkReport]:
    """A report for each link, from its headers and its first kilobyte."""
    with new_session() as session:
        for link in links:
            status = size = content_type = problem = None
            try:
                headers = {} if link.is_page else {"Range": f"bytes=0-{_START - 1}"}
                with opened(session, link.url, patience, headers=headers) as response:
                    status, size = response.status_code, total_size(response)
                    content_type = response.headers.get("Content-Type")
                    if status not in (200, 206):
                        raise Refused(
                            f"the server answers {status} {response.reason or ''}".strip()
                        )
                    start = next(blocks(response, patience), b"")[:_START]
                    if not link.is_page:
                        refuse_page(content_type or "", start)
                        if None not in (link.size, size) and link.size != size:
                            raise Refused(f"has {size} bytes, the registry says {link.size}")
            except (Failed, Refused) as error:
                problem = str(error)
            yield LinkReport(link, status, size, content_type, problem)

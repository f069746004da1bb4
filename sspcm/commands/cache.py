"""The command that shows and clears the cache of decoded crops and drawn people."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from sspcm.commands.options import PATH
from wepdtof_pose.errors import InputError, counted, echo


@click.command()
@click.option("--folder", type=PATH, help="Cache of a run or comparison.  [default: the user's]")
@click.option("--clear", is_flag=True, help="Remove the stores; whatever needs one builds it anew.")
def cache(folder: Path | None, clear: bool) -> None:
    """Show or clear the cache of crops and drawn people.

    Every frame is decoded once, into a store of crops that runs read from. Signatures, by which
    images of test people are recognised, count as stores. They are in the user's cache folder
    ($WEPDTOF_CACHE_DIR, else ~/.cache/wepdtof-pose) or in that of data.cache; the people that
    sspcm adapt has drawn are beside them. Nothing else is removed.

    \b
    Example:
      sspcm cache
      sspcm cache --clear
    """
    from sspcm.adaptation.drawn_people import clear_drawn, read_drawn
    from sspcm.data.crop_cache import clear_cache, read_cache
    from sspcm.data.crop_store import cache_folder
    from wepdtof_pose.files import size_in_words

    if folder is not None and not folder.exists():
        raise InputError(f"{folder}: no such folder")
    # A run's own cache has crops alone.
    drawn = [] if folder is not None else read_drawn()
    found = read_cache(cache_folder(None if folder is None else str(folder)))
    others = f"; {len(found.others)} other files, which are left alone" if found.others else ""
    if clear:
        removed, freed = clear_cache(found)
        busy = len(found.stores) - removed
        echo(
            f"removed: {counted(removed, 'store')} of crops, {size_in_words(freed)}, "
            f"from {found.folder}" + (f"; {busy} are being built and stay" if busy else "") + others
        )
        if drawn:
            removed, freed = clear_drawn(drawn)
            busy = len(drawn) - removed
            echo(
                f"removed: {counted(removed, 'set')} of drawn people, {size_in_words(freed)}"
                + (f"; {busy} are being drawn and stay" if busy else "")
            )
        return
    for people in drawn:
        made = datetime.fromtimestamp(people.made).strftime("%Y-%m-%d %H:%M")
        echo(f"drawn {people.path.name}  {size_in_words(people.size):>9}  made {made}")
    for store in found.stores:
        used = datetime.fromtimestamp(store.used).strftime("%Y-%m-%d %H:%M")
        echo(f"{store.path.name}  {size_in_words(store.size):>9}  last used {used}")
    echo(
        f"{found.folder}: {counted(len(found.stores), 'store')} of crops, "
        f"{size_in_words(found.size)}{others}"
    )
    if drawn:
        size = size_in_words(sum(people.size for people in drawn))
        echo(f"{drawn[0].path.parent}: {counted(len(drawn), 'set')} of drawn people, {size}")

"""The App as a person sees it: a real MongoDB, the command in a process, and a real Chromium.

With WEPDTOF_SCREENSHOTS=DIR the pictures of the README are written there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from served_app import listening_addresses, served, start_browse
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.opening import dataset_name
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import write_image

pytestmark = pytest.mark.fiftyone

PATIENCE = 40
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --window-size=1600,1000 --hide-scrollbars"
)
ORANGE, BLUE = (0, 94, 213), (233, 180, 86)


class Page:
    """The App in the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Load the page, and dismiss what FiftyOne offers."""
        self.driver.get(address)
        self.until(lambda: self.count() > 0)
        for button in self.driver.find_elements("xpath", "//*[text()='Dismiss']"):
            button.click()
        self.until(lambda: all(self.drawn()))

    def named(self, name: str) -> Any:
        """The element that the App calls so."""
        return self.until(lambda: self.all_named(name))[0]

    def all_named(self, name: str) -> list[Any]:
        return self.driver.find_elements("css selector", f"[data-cy='{name}']")

    def count(self) -> int:
        """Number of samples that the App says there are."""
        texts = [element.text for element in self.all_named("entry-counts")]
        found = re.match(r"(\d+) sample", texts[0]) if texts else None
        return int(found[1]) if found else 0

    def drawn(self) -> list[bool]:
        """Whether each sample that is shown has been drawn."""
        script = (
            "return [...document.querySelectorAll(\"[data-cy='looker'] canvas\")]"
            ".map(c => c.getAttribute('canvas-loaded') === 'true')"
        )
        return self.driver.execute_script(script) or [False]

    def choose_view(self, name: str) -> None:
        """Choose a saved view."""
        slug = re.sub(r"[ _]", "-", name)
        option = f"saved-views-{slug}-selection-option"
        self.click("saved-views-selection")
        self.until(lambda: self.all_named(option))
        self.click(option)
        self.until(lambda: f"view={slug}" in self.driver.current_url)

    def click(self, name: str) -> None:
        """Click on the element that the App calls so, when neither it nor what is over it moves."""
        from selenium.common.exceptions import WebDriverException

        def clicked() -> bool:
            with contextlib.suppress(WebDriverException):
                element = self.named(name)
                # A menu that is still opening has its options elsewhere a moment later.
                place = element.rect
                time.sleep(0.3)
                if element.rect == place:
                    element.click()
                    return True
            return False

        self.until(clicked)

    def open_sample(self) -> None:
        """Open the first sample that is shown."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.until(lambda: all(self.drawn()))
        ActionChains(self.driver).move_to_element(self.all_named("looker")[0]).click().perform()
        self.named("modal-looker-container")
        self.until(lambda: "Explore" in self.named("modal").text)

    def value_of(self, field: str) -> str:
        """What the open sample has in a field."""
        entry = self.until(
            lambda: self.driver.find_elements(
                "css selector", f"[data-cy='modal'] [data-cy='sidebar-entry-{field}']"
            )
        )[0]
        return entry.text.strip()

    def picture(self, element: Any) -> np.ndarray:
        """What the browser shows of an element, BGR."""
        encoded = np.frombuffer(element.screenshot_as_png, dtype=np.uint8)
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR)

    def until(self, happened: Callable[[], Any]) -> Any:
        """Wait for something, and give it back."""
        start = time.monotonic()
        while True:
            result = happened()
            if result:
                return result
            assert time.monotonic() - start < PATIENCE, self.driver.find_element(
                "tag name", "body"
            ).text
            time.sleep(0.2)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield Page(driver)
    driver.quit()


def pixels_of(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """Pixels of about that colour."""
    near = np.abs(picture.astype(int) - np.array(color)).max(axis=2) < 24
    return int(near.sum())


def keep_screenshot(page: Page, name: str) -> None:
    folder = os.environ.get("WEPDTOF_SCREENSHOTS")
    if folder:
        time.sleep(2)
        write_image(Path(folder) / name, page.picture(page.driver.find_element("tag name", "body")))


@pytest.mark.usefixtures("fiftyone_home")
def test_the_sample_with_predictions(
    page: Page, sample: PoseDataset, write_predictions: Callable, tmp_path: Path
) -> None:
    file = write_predictions(tmp_path / "results.json", sample, noise=1, every=3)
    with served(sample_folder(), "--predictions", f"run={file}") as address:
        assert address.endswith(f"/datasets/{dataset_name(sample_folder())}")
        page.open(address)
        assert page.count() == len(page.drawn()) == 6
        # Both sides of the skeletons are drawn on every frame of the grid.
        for looker in page.all_named("looker"):
            picture = page.picture(looker)
            assert pixels_of(picture, ORANGE) > 100
            assert pixels_of(picture, BLUE) > 100
        page.choose_view("scene scene_0002")
        page.until(lambda: page.count() == 3)
        page.choose_view("worst first run")
        page.until(lambda: page.count() == 6)
        page.open_sample()
        shown = float(page.value_of("oks_run").split()[0])
        worst = _lowest_mean_oks(sample, file)
        assert shown == pytest.approx(worst, abs=1e-3)
        assert page.value_of("scene").split()[0].startswith("scene_")
        people = re.search(r"^keypoints\n(\d+)$", page.named("modal").text, re.MULTILINE)
        assert people is not None
        assert int(people[1]) in set(sample.people.groupby("frame_id").size())
        assert "predictions_run" in page.named("modal").text
        picture = page.picture(page.named("modal-looker-container"))
        assert min(pixels_of(picture, ORANGE), pixels_of(picture, BLUE)) > 300


@pytest.mark.slow
@pytest.mark.usefixtures("fiftyone_home")
def test_photographs(page: Page, realdata_dir: Path) -> None:
    datasets = load_dataset(realdata_dir / "tiny_coco")
    with served(realdata_dir / "tiny_coco", ended_by=signal.SIGTERM) as address:
        page.open(address)
        assert page.count() == sum(len(dataset.frames) for dataset in datasets.values()) == 100
        page.choose_view("crowded")
        page.until(lambda: 0 < page.count() < 100)
        page.until(lambda: all(page.drawn()))
        assert pixels_of(page.picture(page.named("fo-grid")), ORANGE) > 500
        page.choose_view("split train")
        page.until(lambda: page.count() == len(datasets["train"].frames))
    # A second start shows what is there; test_opening.py has that nothing is imported twice.
    with served(realdata_dir / "tiny_coco") as again:
        assert again.rpartition("/")[2] == address.rpartition("/")[2]


@pytest.mark.slow
@pytest.mark.usefixtures("fiftyone_home")
def test_pictures_of_a_fisheye_set(page: Page, write_predictions: Callable, tmp_path: Path) -> None:
    """The page as the README shows it: crowded frames, and one of them with predictions."""
    from wepdtof_pose.synthetic.generate import generate

    data = generate(tmp_path / "fisheye", people=72, seed=4, size=768, progress=False)
    dataset = load_dataset(data)["all"]
    file = write_predictions(tmp_path / "noisy.json", dataset, noise=6)
    with served(data, "--predictions", f"noisy={file}") as address:
        page.open(address)
        page.choose_view("crowded")
        page.until(lambda: 0 < page.count() < len(dataset.frames))
        page.until(lambda: all(page.drawn()))
        keep_screenshot(page, "browse_grid.jpg")
        page.open_sample()
        assert 0 < float(page.value_of("worst_oks_noisy").split()[0]) < 1
        keep_screenshot(page, "browse_sample.jpg")


def test_the_server_answers_to_loopback_names_alone_and_ends_with_its_parent() -> None:
    process, _, port = start_browse(sample_folder())
    try:
        assert status(port, f"localhost:{port}") == 200
        assert status(port, f"127.0.0.1:{port}") == 200
        # A page of the web that has given its own name this address.
        assert status(port, f"rebound.example:{port}") == 400
    finally:
        process.kill()
        process.wait(60)
    until = time.monotonic() + PATIENCE
    while listening_addresses(port) and time.monotonic() < until:
        time.sleep(0.1)
    assert not listening_addresses(port)


def status(port: int, host: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/fiftyone", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_address_that_others_reach_is_warned_of() -> None:
    process, _, _ = start_browse(sample_folder(), "--address", "0.0.0.0")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "warning: 0.0.0.0 can be reached from other machines" in errors
    assert "read every file" in errors


def _lowest_mean_oks(dataset: PoseDataset, file: Path) -> float:
    from wepdtof_pose.scores.by_frame import frame_scores
    from wepdtof_pose.scores.predictions import from_results

    scores = frame_scores(dataset, from_results(read_json(file), dataset, source="file"))
    frames = np.unique(dataset.frame_rows)
    return min(float(np.nanmean(scores.oks[dataset.frame_rows == row])) for row in frames)

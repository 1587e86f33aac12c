"""Chromium, the server under test, and a page in front of it."""

import os
import shutil

import pytest
from mock import Faults, Mock
from playwright.sync_api import sync_playwright
from real import Real

ERRORS_OF_FAULTS = "Failed to load resource"  # Chromium reports each answer that is not 2xx


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("DASHBOARD_CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is missing: install the package chromium, or name its file in DASHBOARD_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running_mock():
    is_real = os.environ.get("DASHBOARD_URL") or os.environ.get("DASHBOARD_PROGRAM")
    server = None if is_real else Mock(tick=0.25)
    yield server
    if server:
        server.stop()


@pytest.fixture
def mock(running_mock):
    """The mock without faults. Tests that need it are skipped in front of a real server."""
    if not running_mock:
        pytest.skip("needs the mock: DASHBOARD_URL or DASHBOARD_PROGRAM is set")
    running_mock.faults, running_mock.requests = Faults(), []
    yield running_mock
    running_mock.faults = Faults()


@pytest.fixture(scope="session")
def running_real():
    program = os.environ.get("DASHBOARD_PROGRAM")
    running = Real(program) if program else None
    yield running
    if running:
        running.stop()


@pytest.fixture
def real(running_real):
    """The program with its stores and an instance."""
    if not running_real:
        pytest.skip("needs the program: DASHBOARD_PROGRAM is not set")
    return running_real


@pytest.fixture
def url(running_mock, running_real):
    if running_mock:
        running_mock.faults = Faults()
        return running_mock.url
    return running_real.url if running_real else os.environ["DASHBOARD_URL"].rstrip("/")


@pytest.fixture
def new_page(browser):
    """Opens pages, and fails at the end if one reported an error, a policy violation or a request to another host."""
    contexts, complaints = [], []

    def new_page(width=1440, height=900, scheme="light", **options):
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and not line.text.startswith(ERRORS_OF_FAULTS)
                and complaints.append(line.text))
        page.on("request", lambda request: request.url.startswith(("http://127.0.0.1", "http://localhost", "data:", os.environ.get("DASHBOARD_URL", "data:")))
                or complaints.append(f"a request to {request.url}"))
        return page

    yield new_page
    for context in contexts:
        context.close()
    assert complaints == []

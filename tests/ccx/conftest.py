import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The generated archives."""
    import archives

    folder = tmp_path_factory.mktemp("archives")
    archives.write(folder)
    return folder

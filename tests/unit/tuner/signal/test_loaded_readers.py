"""After its readers are loaded a process imports nothing more, whatever file comes: in the cage it could not."""

import subprocess
import sys

from tests.containers.kinds import as_input, files

_READ = """
import base64, json, sys
from tuner.signal.formats import inspect_signal, read_signal
from tuner.signal.handover import load_readers
load_readers()
class Locked:
    def find_spec(self, name, path=None, target=None):
        raise ImportError(f"{name} is imported too late")
sys.meta_path.insert(0, Locked())
for name, content in json.load(sys.stdin).items():
    data = base64.b64decode(content)
    inspect_signal(data)
    read_signal(data, resolution=16)
    print(name)
"""


def test_files_of_every_format_and_codec_are_read_without_a_further_import() -> None:
    done = subprocess.run([sys.executable, "-c", _READ], input=as_input(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name for name, _ in files()]

from pathlib import Path

from core.build import MODULE, build


def test_the_committed_module_is_what_the_sources_give(tmp_path: Path) -> None:
    build(tmp_path / "core.wasm")
    assert (tmp_path / "core.wasm").read_bytes() == MODULE.read_bytes(), (
        "run python -m core.build and commit the module"
    )

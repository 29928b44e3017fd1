"""configs.py DIST FOLDER: writes the files of each ConfigMap in DIST to a folder of that name in FOLDER."""

import sys
from pathlib import Path

import yaml

dist, out = map(Path, sys.argv[1:])
for file in sorted(dist.glob("*.yaml")):
    for manifest in yaml.safe_load_all(file.read_text()):
        name = manifest["metadata"]["name"]
        if manifest["kind"] == "ConfigMap":
            folder = out / name
            folder.mkdir(parents=True, exist_ok=True)
            for key, text in manifest["data"].items():
                (folder / key).write_text(text)

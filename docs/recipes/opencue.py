"""OpenCue: a layer that depends on the render layer and releases the publish.

Launched with `opencue.api.launchSpec(job_spec(...))`. A frame that exits with 74 (frames are missing) is retried as often as
`maxretries` says; releasing twice changes nothing.
"""

from __future__ import annotations

import os
from xml.etree import ElementTree

__all__ = ["job_spec"]

#: What the host needs to know. No API key: releasing asks nothing of ftrack.
ENVIRONMENT = ("FTRACK_SERVER", "TRACKTEROID_REDIS_URL", "TRACKTEROID_SPOOL", "TRACKTEROID_PATH_ROOTS")


def job_spec(commit_id: str, *, show: str, shot: str, user: str, frames: str, render: str) -> str:
    """Return the job as OpenCue's XML.

    Args:
        commit_id: Of the held publish.
        show, shot, user: Whose.
        frames: The render layer's range.
        render: Its command, with `#IFRAME#` for the frame.
    """
    spec = ElementTree.Element("spec")
    for name, text in (("facility", "local"), ("show", show), ("shot", shot), ("user", user)):
        ElementTree.SubElement(spec, name).text = text
    job = ElementTree.SubElement(spec, "job", name=f"publish_{commit_id}")
    ElementTree.SubElement(job, "paused").text = "false"
    ElementTree.SubElement(job, "maxretries").text = "3"
    layers = ElementTree.SubElement(job, "layers")
    _layer(layers, "render", render, frames)
    _layer(layers, "publish", f"trackteroid release {commit_id}", "1")
    depend = ElementTree.SubElement(
        ElementTree.SubElement(spec, "depends"), "depend", type="LAYER_ON_LAYER", anyframe="false"
    )
    name = job.attrib["name"]
    for tag, text in (("depjob", name), ("deplayer", "publish"), ("onjob", name), ("onlayer", "render")):
        ElementTree.SubElement(depend, tag).text = text
    return ElementTree.tostring(spec, encoding="unicode")


def _layer(layers: ElementTree.Element, name: str, command: str, frames: str) -> None:
    layer = ElementTree.SubElement(layers, "layer", name=name, type="Render")
    for tag, text in (("cmd", command), ("range", frames), ("chunk", "1")):
        ElementTree.SubElement(layer, tag).text = text
    environment = ElementTree.SubElement(layer, "env")
    for variable in ENVIRONMENT:
        if os.environ.get(variable):
            ElementTree.SubElement(environment, "key", name=variable).text = os.environ[variable]
    ElementTree.SubElement(ElementTree.SubElement(layer, "services"), "service").text = "shell"

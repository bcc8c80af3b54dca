"""The endpoints for files, as both clients use them, over HTTP."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests

from tests.unit.sandbox.test_thumbnails import picture
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds.rows import Rows
from trackteroid.sandbox.server import SandboxServer

COMPONENT = Rows("demo", load_schema()).identifier("FileComponent", "bc0040_comp/2/main")
ORIGIN = "http://studio.example.com"


def ask(server: SandboxServer, *operations: dict[str, Any]) -> Any:
    headers = {"ftrack-user": server.env["FTRACK_API_USER"], "ftrack-api-key": server.env["FTRACK_API_KEY"]}
    return requests.post(f"{server.url}/api", json=list(operations), headers=headers).json()


def upload_url(server: SandboxServer, **data: Any) -> Any:
    operation = {"action": "get_upload_metadata", "component_id": COMPONENT, "file_name": "a.png", "file_size": 4}
    return ask(server, {**operation, **data})[0]


def get(server: SandboxServer, what: str, **parameters: Any) -> requests.Response:
    credentials = {"username": server.env["FTRACK_API_USER"], "apiKey": server.env["FTRACK_API_KEY"]}
    return requests.get(f"{server.url}/component/{what}", params={**credentials, **parameters})


def put(server: SandboxServer, content: bytes) -> None:
    requests.put(upload_url(server)["url"], data=content).raise_for_status()


# Upload and download


def test_an_upload_needs_no_credentials_and_replaces(server: SandboxServer) -> None:
    put(server, b"first")
    answer = requests.put(upload_url(server)["url"], data=b"data")
    assert answer.status_code == 200
    assert answer.headers["ETag"] == f'"{hashlib.md5(b"data").hexdigest()}"'
    found = get(server, "get", id=COMPONENT)
    assert found.content == b"data"
    assert found.headers["Content-Disposition"] == "attachment; filename*=UTF-8''main.exr"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("sandbox.studio:8123", "http://sandbox.studio:8123"),
        ("[::1]:80", "http://[::1]:80"),
        ("evil.example/x?", None),
        ("a b", None),
        ("user@host", None),
    ],
)
def test_urls_lead_to_where_the_client_has_found_the_server(
    server: SandboxServer, host: str, shown: str | None
) -> None:
    # A server that listens on all interfaces, or behind another port, doesn't know how it is called elsewhere.
    operations = [
        {"action": "get_upload_metadata", "component_id": COMPONENT, "file_name": "a.png"},
        {"action": "get_upload_metadata", "component_id": COMPONENT, "file_name": "a.png", "parts": 1},
        {"action": "generate_signed_url", "component_id": COMPONENT},
        {"action": "get_widget_url", "name": "info"},
        {"action": "query", "expression": "select url from ComponentLocation limit 1"},
        {"action": "query", "expression": "select thumbnail_url from Shot limit 1"},
    ]
    headers = {"ftrack-user": "sandbox", "ftrack-api-key": "sandbox-key", "Host": host}
    put, part, get, widget, (location,), (shot,) = (
        answer["data"] if "data" in answer else answer
        for answer in requests.post(f"{server.url}/api", json=operations, headers=headers).json()
    )
    urls = [put["url"], part["urls"][0]["signed_url"], get["signed_url"], widget["widget_url"]]
    urls += [location["url"]["value"], shot["thumbnail_url"]["url"]]
    assert {url.split("/", 3)[2] for url in urls} == {(shown or server.url).split("/")[2]}
    # They are as good as any.
    assert requests.put(put["url"].replace(shown or server.url, server.url), data=b"x").status_code == 200


def test_data_that_does_not_match_its_checksum_is_refused(server: SandboxServer) -> None:
    url = upload_url(server)["url"]
    right = base64.b64encode(hashlib.md5(b"data").digest()).decode()
    assert requests.put(url, data=b"dat4", headers={"Content-MD5": right}).status_code == 400
    assert get(server, "get", id=COMPONENT).status_code == 404
    assert requests.put(url, data=b"data", headers={"Content-MD5": right}).status_code == 200


def test_an_address_that_nobody_gave_out_takes_nothing(server: SandboxServer) -> None:
    guessed = base64.urlsafe_b64encode(COMPONENT.encode()).decode()
    assert requests.put(f"{server.url}/upload/{guessed}", data=b"x").status_code == 403
    assert requests.get(f"{server.url}/download/{guessed}").status_code == 403


def test_a_large_file_arrives_in_parts(server: SandboxServer) -> None:
    begun = upload_url(server, parts=3)
    contents = [bytes([number]) * 1_000_000 for number in range(3)]
    parts = []
    for each in reversed(begun["urls"]):
        number = each["part_number"]
        answer = requests.put(each["signed_url"], data=contents[number - 1], headers={"Origin": ORIGIN})
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
        # The JavaScript client takes the quotes off.
        parts.append({"part_number": number, "e_tag": answer.headers["ETag"].strip('"')})
    operation = {"action": "complete_multipart_upload", "component_id": COMPONENT, "upload_id": begun["upload_id"]}
    (answer,) = ask(server, {**operation, "parts": parts})
    assert requests.get(answer["url"]).content == b"".join(contents)
    assert requests.put(begun["urls"][0]["signed_url"], data=b"late").status_code == 404


def test_signed_addresses_get_and_put_without_credentials(server: SandboxServer) -> None:
    get_it, put_it = (
        ask(server, {"action": "generate_signed_url", "component_id": COMPONENT, "operation": each})[0]["signed_url"]
        for each in ("get", "put")
    )
    assert requests.get(get_it).status_code == 404
    assert requests.put(put_it, data=b"data").status_code == 200
    assert requests.get(get_it).content == b"data"
    assert requests.get(get_it.replace("/download/", "/upload/")).status_code == 405
    assert requests.put(get_it.replace("/download/", "/upload/"), data=b"x").status_code == 403


@pytest.mark.parametrize("what", ["get", "thumbnail", "remove"])
def test_files_want_credentials_and_an_id(server: SandboxServer, what: str) -> None:
    put(server, b"data")
    assert get(server, what).status_code == 400
    assert get(server, what, id=COMPONENT, apiKey="wrong").status_code == 401
    assert requests.get(f"{server.url}/component/{what}", params={"id": COMPONENT}).status_code == 401
    assert get(server, "get", id=COMPONENT).content == b"data"


def test_data_is_removed_and_the_component_stays(server: SandboxServer) -> None:
    put(server, b"data")
    assert get(server, "remove", id=COMPONENT).status_code == 200
    assert get(server, "get", id=COMPONENT).status_code == 404
    assert len(ask(server, {"action": "query", "expression": f"Component where id is {COMPONENT}"})[0]["data"]) == 1


def test_what_hangs_below_a_private_project_is_no_file_to_others(server: SandboxServer) -> None:
    put(server, b"secret")
    project = Rows("demo", load_schema()).identifier("Project", "demo")
    link = ask(server, {"action": "generate_signed_url", "component_id": COMPONENT})[0]["signed_url"]
    hide = {"action": "update", "entity_type": "Project", "entity_key": [project], "entity_data": {"is_private": True}}
    ask(server, hide)
    anna = {"username": "anna", "apiKey": "anna-key"}
    for what in ("get", "thumbnail", "remove"):
        assert get(server, what, id=COMPONENT, **anna).status_code == 403
    assert get(server, "get", id=COMPONENT).content == b"secret"
    # Who was given the address may use it.
    assert requests.get(link).content == b"secret"


# Thumbnails


def test_thumbnails_are_scaled(server: SandboxServer) -> None:
    put(server, picture(400, 200))
    sizes = {}
    for size in (None, "10", "100"):
        answer = get(server, "thumbnail", id=COMPONENT, **({} if size is None else {"size": size}))
        assert answer.headers["Content-Type"] == "image/png"
        sizes[size] = (int.from_bytes(answer.content[16:20], "big"), int.from_bytes(answer.content[20:24], "big"))
    assert sizes == {None: (300, 150), "10": (10, 5), "100": (100, 50)}


def test_what_is_no_picture_is_returned_as_it_is_and_nothing_gives_a_placeholder(server: SandboxServer) -> None:
    placeholder = requests.get(f"{server.url}/img/thumbnail2.png")
    assert placeholder.headers["Content-Type"] == "image/png"
    assert get(server, "thumbnail", id=COMPONENT).content == placeholder.content
    put(server, b"no picture")
    assert get(server, "thumbnail", id=COMPONENT).content == b"no picture"


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "100000"])
def test_a_strange_size_is_refused(server: SandboxServer, size: str) -> None:
    assert get(server, "thumbnail", id=COMPONENT, size=size).status_code == 400


# Browsers


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/api", "POST", "content-type,accept,ftrack-user,ftrack-api-key,ftrack-strict-api,ftrack-api-options"),
        ("/api", "POST", "ftrack-clienttoken,ftrack-pushtoken"),
        ("/upload/token", "PUT", "content-md5,content-disposition,content-type"),
        ("/component/get", "GET", "accept"),
    ],
)
def test_browsers_may_ask_from_anywhere(server: SandboxServer, path: str, method: str, headers: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    answer = requests.options(server.url + path, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
    assert set(headers.split(",")) <= set(allowed)


def test_answers_name_the_origin_they_are_for(server: SandboxServer) -> None:
    answer = requests.post(f"{server.url}/api", json=[], headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"

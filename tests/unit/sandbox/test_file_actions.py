"""The actions about files: upload URLs, uploads in parts, signed URLs, encoding; invitations."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.unit.sandbox.conftest import Ask
from tests.unit.sandbox.test_thumbnails import picture
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError, MalformedRequestError, ValidationError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds.rows import Rows
from trackteroid.sandbox.stored_files import data_of, store_data, store_part

ROWS = Rows("demo", load_schema())
VERSION = ROWS.identifier("AssetVersion", "bc0040_comp/2")
COMPONENT = ROWS.identifier("FileComponent", "bc0040_comp/2/main")


def upload(call: Ask, **data: Any) -> Any:
    operation = {"action": "get_upload_metadata", "component_id": "c", "file_name": "shot.mov", "file_size": 5}
    return call({**operation, **data})[0]


# Upload


def test_an_upload_is_told_where_to_and_with_which_headers(call: Ask, api: Api) -> None:
    answer = upload(call, file_name="Schüß 1.mov", checksum="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert answer["component_id"] == "c"
    assert answer["headers"] == {
        "Content-Type": "video/quicktime",
        "Content-Length": "5",
        "Content-Disposition": "attachment; filename*=UTF-8''Sch%C3%BC%C3%9F%201.mov",
        "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    }
    link = api.links.read(answer["url"].rsplit("/", 1)[1], "put")
    assert link is not None and link.component_id == "c" and link.upload_id is None


def test_without_a_checksum_none_is_asked_for_and_unknown_kinds_are_bytes(call: Ask) -> None:
    headers = upload(call, file_name="cache.qqq", checksum=None, parts=None)["headers"]
    assert headers["Content-Type"] == "application/octet-stream" and "Content-MD5" not in headers


@pytest.mark.parametrize("parts", [0, -1, 10001, True, "3", 2.0])
def test_a_strange_number_of_parts_is_refused(call: Ask, parts: Any) -> None:
    with pytest.raises(ValidationError, match='"parts" must be a number from 1 to 10000'):
        upload(call, parts=parts)


def complete(call: Ask, upload_id: str, parts: Any, component_id: str = "c") -> Any:
    operation = {"action": "complete_multipart_upload", "component_id": component_id, "upload_id": upload_id}
    return call({**operation, "parts": parts})[0]


def tag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_parts_are_joined_by_number_whatever_the_order(call: Ask, api: Api) -> None:
    begun = upload(call, parts=3)
    assert [each["part_number"] for each in begun["urls"]] == [1, 2, 3]
    contents = {1: b"one", 2: b"two", 3: b"three"}
    for each in reversed(begun["urls"]):
        link = api.links.read(each["signed_url"].rsplit("/", 1)[1], "put")
        assert link is not None and (link.upload_id, link.part) == (begun["upload_id"], each["part_number"])
        assert store_part(api.storage, begun["upload_id"], link.part, contents[link.part])
    parts = [{"part_number": number, "e_tag": tag(contents[number])} for number in (2, 3, 1)]
    answer = complete(call, begun["upload_id"], parts)
    assert (answer["action"], answer["component_id"]) == ("complete_multipart_upload", "c")
    assert answer["url"].startswith("http://sandbox/component/get?id=c&")
    assert data_of(api.storage, "c") == b"onetwothree"
    # It is over: neither another part nor a second completion.
    assert not store_part(api.storage, begun["upload_id"], 1, b"")
    with pytest.raises(ValidationError, match="There is no upload"):
        complete(call, begun["upload_id"], parts)


def test_a_part_that_is_missing_or_another_one_is_named(call: Ask, api: Api) -> None:
    upload_id = upload(call, parts=2)["upload_id"]
    store_part(api.storage, upload_id, 1, b"one")
    first = {"part_number": 1, "e_tag": f'"{tag(b"one")}"'}
    with pytest.raises(ValidationError, match=f"Part 2 of upload {upload_id} has not been uploaded"):
        complete(call, upload_id, [first])
    store_part(api.storage, upload_id, 2, b"two")
    with pytest.raises(ValidationError, match=f"Part 2 of upload {upload_id} is"):
        complete(call, upload_id, [first, {"part_number": 2, "e_tag": "other"}])
    with pytest.raises(ValidationError, match=r"There is no upload .* for component d"):
        complete(call, upload_id, [first], "d")
    assert data_of(api.storage, "c") is None
    complete(call, upload_id, [first, {"part_number": 2, "e_tag": tag(b"two")}])
    assert data_of(api.storage, "c") == b"onetwo"


@pytest.mark.parametrize("parts", [None, "x", [1], [{"part_number": "1", "e_tag": "x"}], [{"part_number": 1}]])
def test_a_malformed_list_of_parts_is_refused(call: Ask, parts: Any) -> None:
    with pytest.raises(MalformedRequestError, match='"part_number" and "e_tag"'):
        complete(call, upload(call, parts=1)["upload_id"], parts)


@pytest.mark.parametrize(("wanted", "operation"), [(None, "get"), ("get", "get"), ("put", "put")])
def test_signed_urls(call: Ask, api: Api, wanted: str | None, operation: str) -> None:
    url = call({"action": "generate_signed_url", "component_id": "c", "operation": wanted})[0]["signed_url"]
    assert api.links.read(url.rsplit("/", 1)[1], operation) is not None
    assert "apiKey" not in url


def test_signed_urls_for_anything_else_are_refused(call: Ask) -> None:
    with pytest.raises(ValidationError, match='must be "get" or "put"'):
        call({"action": "generate_signed_url", "component_id": "c", "operation": "delete"})


# Encoding


def encode(call: Ask, query: Ask, **data: Any) -> tuple[Any, dict[str, Any]]:
    """The job's row and its data."""
    job_id = call({"action": "encode_media", "component_id": COMPONENT, **data})[0]["job_id"]
    (job,) = query(f"select data, status, finished_at, user, job_components.component_id from Job where id is {job_id}")
    return job, json.loads(job["data"])


def components(query: Ask, described: dict[str, Any]) -> list[Any]:
    return [
        query(
            "select name, file_type, size, version_id, component_locations.location.name,"
            f" component_locations.resource_identifier from FileComponent where id is {each['component_id']}"
        )[0]
        for each in described["output"]
    ]


def test_a_video_becomes_a_video_and_a_picture(call: Ask, query: Ask, api: Api) -> None:
    store_data(api.storage, COMPONENT, b"moving pictures")
    job, described = encode(call, query, version_id=VERSION)
    assert (job["status"], job["finished_at"] is not None) == ("done", True)
    assert described["source_component_id"] == COMPONENT and described["keep_original"] is True
    assert [each["format"] for each in described["output"]] == ["video/mp4", "image/jpeg"]
    ids = [each["component_id"] for each in described["output"]]
    assert [each["component_id"] for each in job["job_components"]] == ids
    video, image = components(query, described)
    assert (video["name"], video["file_type"], video["size"]) == ("ftrackreview-mp4", ".mp4", 15)
    assert (image["name"], image["file_type"]) == ("ftrackreview-image", ".jpg")
    assert video["version_id"] == image["version_id"] == VERSION
    assert video["component_locations"][0]["location"]["name"] == "ftrack.server"
    assert video["component_locations"][0]["resource_identifier"] == video["id"]
    assert data_of(api.storage, video["id"]) == b"moving pictures"
    assert (data_of(api.storage, image["id"]) or b"").startswith(b"\xff\xd8")


def test_a_picture_becomes_only_a_picture(call: Ask, query: Ask, api: Api) -> None:
    store_data(api.storage, COMPONENT, picture(40, 30))
    _, described = encode(call, query)
    assert [each["format"] for each in described["output"]] == ["image/jpeg"]
    assert components(query, described)[0]["version_id"] is None


def test_the_original_goes_if_it_is_not_to_be_kept(call: Ask, query: Ask, api: Api) -> None:
    store_data(api.storage, COMPONENT, b"moving pictures")
    _, described = encode(call, query, keep_original=False)
    assert described["keep_original"] is False
    assert query(f"Component where id is {COMPONENT}") == []
    assert data_of(api.storage, COMPONENT) is None


def test_what_has_no_data_cannot_be_encoded(call: Ask, query: Ask, api: Api) -> None:
    with pytest.raises(ValidationError, match=r"no component .* with data"):
        encode(call, query)
    store_data(api.storage, "loose", b"x")
    with pytest.raises(ValidationError, match="no component loose with data"):
        encode(call, query, component_id="loose")


def test_encoding_for_a_version_that_does_not_exist_leaves_nothing(call: Ask, query: Ask, api: Api) -> None:
    store_data(api.storage, COMPONENT, b"moving pictures")
    before = len(query("Component"))
    with pytest.raises(ApiError, match="nowhere"):
        encode(call, query, version_id="nowhere", keep_original=False)
    assert len(query("Component")) == before and query("Job") == []
    assert data_of(api.storage, COMPONENT) == b"moving pictures"


# Invitations


def test_invitations_go_to_somebody_who_exists(call: Ask, query: Ask) -> None:
    user_id = query("User where username is anna")[0]["id"]
    assert call({"action": "send_user_invite", "user_id": user_id}) == [{"sent": True}]
    with pytest.raises(ValidationError, match="no User nobody"):
        call({"action": "send_user_invite", "user_id": "nobody"})
    with pytest.raises(ValidationError, match="no ReviewSessionInvitee nobody"):
        call({"action": "send_review_session_invite", "review_session_invitee_id": "nobody"})

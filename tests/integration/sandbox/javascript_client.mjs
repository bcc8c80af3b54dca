// The official JavaScript client, unmodified, against the sandbox; run by test_javascript_client.py with node's own
// test runner. The environment names the server as for the Python client; no package but the client is needed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Event, Session, error, expression, operation, projectSchema } from "@ftrack/api";

const server = process.env.FTRACK_SERVER;
const UNMANAGED = "cb268ecc-8809-11e3-a7e2-20c9d081909b";
const SERVER = "3a372bde-05bc-11e4-8908-20c9d081909b";
const CHUNK = 1000;

const open = (user, key, options = {}) => new Session(server, user, key, options);
const openOwn = (options) => open(process.env.FTRACK_API_USER, process.env.FTRACK_API_KEY, options);

let session;

before(async () => {
  session = openOwn();
  await session.initializing;
});

after(() => session.eventHub.disconnect());

async function one(text, options) {
  const { data } = await session.query(text, options);
  assert.equal(data.length, 1, text);
  return data[0];
}

// Starting

test("a session learns about server and schemas", async () => {
  assert.equal(session.initialized, true);
  assert.ok(session.serverVersion);
  assert.equal((await session.getServerInformation()).is_timezone_support_enabled, true);
  assert.equal((await session.getSchemas()).length, 116);
  assert.deepEqual(session.getPrimaryKeyAttributes("Metadata").sort(), ["key", "parent_id"]);
  assert.equal(session.getSchema("Shot").alias_for.classifiers.object_typeid, "bad911de-3bd6-47b9-8b46-3476e237cb36");
});

test("server information can be asked for in part", async () => {
  const narrow = openOwn({ serverInformationValues: ["is_timezone_support_enabled"] });
  await narrow.initializing;
  assert.deepEqual(Object.keys(narrow.serverInformation), ["is_timezone_support_enabled"]);
});

test("wrong credentials are told", async () => {
  await assert.rejects(open("sandbox", "wrong").initializing, (problem) => {
    assert.ok(problem instanceof error.ServerError);
    assert.equal(problem.errorCode, "api_credentials_invalid");
    return true;
  });
});

// Reading

test("a query gives attributes across relations, merged by identity", async () => {
  const { data, metadata } = await session.query(
    'select version, asset.name, asset.parent.name, task.status.name from AssetVersion where asset.name is "bc0040_comp" order by version',
  );
  assert.deepEqual(data.map((each) => each.version), [1, 2, 3]);
  assert.equal(data[0].asset.parent.name, "bc0040");
  assert.equal(data[0].asset, data[2].asset);
  assert.equal(metadata.next.offset, null);
});

test("pages continue where the answer says", async () => {
  const names = [];
  for (let offset = 0; offset !== null; ) {
    const { data, metadata } = await session.query(`select name from Shot order by name offset ${offset} limit 2`);
    names.push(...data.map((each) => each.name));
    offset = metadata.next.offset;
  }
  const { data } = await session.query("select name from Shot order by name");
  assert.ok(names.length > 2);
  assert.deepEqual(names, data.map((each) => each.name));
});

test("quotes in an expression are escaped", async () => {
  const { data } = await session.create("Scope", { name: `the "best" o'clock` });
  const name = `the "best" o'clock`;
  assert.equal((await one(expression`select name from Scope where name is "${name}"`)).id, data.id);
});

test("a serialisable answer repeats the attributes of an entity wherever it occurs", async () => {
  const { data } = await session.query('select asset.name from AssetVersion where asset.name is "bc0040_comp"', {
    ensureSerializableResponse: true,
  });
  assert.deepEqual(data.map((each) => each.asset.name), ["bc0040_comp", "bc0040_comp", "bc0040_comp"]);
});

test("search finds entities by parts of names", async () => {
  const { data } = await session.search({
    expression: "select name from Shot",
    entityType: "Shot",
    terms: ["bc004"],
    objectTypeIds: ["bad911de-3bd6-47b9-8b46-3476e237cb36"],
  });
  assert.deepEqual(data.map((each) => each.name), ["bc0040"]);
});

test("the statuses of a project schema are found", async () => {
  const project = await one('select project_schema_id from Project where name is "demo"');
  for (const type of ["Task", "Shot", "AssetVersion"]) {
    const statuses = await projectSchema.getStatuses(session, project.project_schema_id, type);
    assert.ok(statuses.length > 1 && statuses.every((status) => status.name && status.color), type);
  }
});

// Writing

test("what is created, updated and deleted is so for everybody", async () => {
  const project = await one('select id from Project where name is "demo"');
  const created = await session.create("Folder", { name: "from javascript", parent_id: project.id, unknown: 1 });
  assert.equal(created.action, "create");
  assert.equal(created.data.__entity_type__, "Folder");
  assert.equal(created.data.project_id, project.id);
  assert.equal(created.data.unknown, undefined);

  const { id } = created.data;
  const changed = await session.update("Folder", [id], { name: "changed" });
  assert.equal(changed.data.name, "changed");
  await session.update("Folder", id, { description: "by its key alone" });
  const seen = await one(`select name, description from Folder where id is "${id}"`);
  assert.deepEqual([seen.name, seen.description], ["changed", "by its key alone"]);

  assert.equal((await session.delete("Folder", id)).data, true);
  assert.deepEqual((await session.query(`Folder where id is "${id}"`)).data, []);
});

test("a batch is done as a whole or not at all", async () => {
  const batch = (last) => [
    operation.create("Scope", { name: "from a batch" }),
    operation.create(last, { name: "second" }),
  ];
  await assert.rejects(session.call(batch("Nonsense")), error.ServerError);
  assert.deepEqual((await session.query('Scope where name is "from a batch"')).data, []);
  const [first, second] = await session.call(batch("Scope"));
  assert.deepEqual([first.data.name, second.data.name], ["from a batch", "second"]);
});

test("ensure creates once and updates afterwards", async () => {
  const first = await session.ensure("User", { username: "javascript", first_name: "Java" }, ["username"]);
  const second = await session.ensure("User", { username: "javascript", first_name: "Script" }, ["username"]);
  assert.equal(first.id, second.id);
  assert.equal((await one('select first_name from User where username is "javascript"')).first_name, "Script");
});

test("dates go there and back in UTC, whatever the time zone here", async () => {
  assert.notEqual(new Date().getTimezoneOffset(), 0);
  const project = await one('select id from Project where name is "demo"');
  const start = new Date("2024-05-17T09:30:00.000Z");
  const { data } = await session.create("Milestone", { name: "from javascript", parent_id: project.id, end_date: start });
  assert.equal(data.end_date.toISOString(), start.toISOString());
  const query = `select end_date from Milestone where id is "${data.id}" and end_date is "2024-05-17T09:30:00Z"`;
  assert.equal((await one(query)).end_date.valueOf(), start.valueOf());
  assert.equal((await one(query, { decodeDatesAsIso: true })).end_date, start.toISOString());
});

test("errors have the class that their kind deserves", async () => {
  await assert.rejects(session.query("select nonsense from Task"), error.ServerError);
  await assert.rejects(session.query("Task where name is"), (problem) =>
    problem.message.startsWith("Failed to parse: Task where name is"),
  );
  const configuration = await one(
    'select id from CustomAttributeConfiguration where type.name is "number" and key is "fstart"',
  );
  const shot = await one('select id from Shot where name is "bc0040"');
  const key = [configuration.id, shot.id];
  await assert.rejects(
    session.update("ContextCustomAttributeValue", key, { value: "text" }),
    error.ServerValidationError,
  );
  const values = { configuration_id: key[0], entity_id: key[1], value: 1 };
  await assert.rejects(session.create("ContextCustomAttributeValue", values), error.ServerPermissionDeniedError);
});

test("a hidden project is not there", async () => {
  const anna = open("anna", "anna-key");
  assert.deepEqual((await anna.query('Project where name is "teaser"')).data, []);
  assert.equal((await session.query('Project where name is "teaser"')).data.length, 1);
});

// Events

function connected(hub) {
  hub.connect();
  return eventually(() => hub.isConnected(), "the connection");
}

async function eventually(condition, what) {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `Waited in vain for ${what}.`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

test("changes are told, with the mark of the session that made them", async (context) => {
  const listener = openOwn();
  await connected(listener.eventHub);
  context.after(() => listener.eventHub.disconnect());
  const heard = [];
  listener.eventHub.subscribe("topic=ftrack.update", (event) => heard.push(event));
  const marker = [];
  listener.eventHub.subscribe("topic=javascript.marker", (event) => marker.push(event));
  // What one connection sends is handled in order: after this the subscriptions are known.
  await listener.eventHub.publish(new Event("javascript.marker", {}));
  await eventually(() => marker.length, "the marker");

  const shot = await one('select id, parent_id from Shot where name is "bc0050"');
  await session.update("Shot", [shot.id], { description: "from javascript" });

  await eventually(() => heard.length, "the update");
  const { data, source, target } = heard[0];
  assert.equal(data.clientToken, session.clientToken);
  assert.equal(data.pushToken ?? null, null);
  assert.equal(source.applicationId, "ftrack.server");
  assert.equal(target, "");
  const [entity] = data.entities;
  assert.deepEqual([entity.entityId, entity.entity_type, entity.action], [shot.id, "Shot", "update"]);
  assert.equal(entity.changes.description.new, "from javascript");
  assert.equal(entity.parents[1].entityId, shot.parent_id);
});

test("a reply comes back to who asked, after a long silence", async (context) => {
  // The client has one connection per user and process, which is no good again once it was disconnected.
  const asking = open("anna", "anna-key");
  const answering = open("ben", "ben-key");
  for (const { eventHub } of [asking, answering]) {
    await connected(eventHub);
    context.after(() => eventHub.disconnect());
  }
  const known = [];
  answering.eventHub.subscribe("topic=javascript.question", ({ data }) => ({ answer: data.number * 2 }));
  answering.eventHub.subscribe("topic=javascript.marker", (event) => known.push(event));
  await answering.eventHub.publish(new Event("javascript.marker", {}));
  await eventually(() => known.length, "the marker");

  // Longer than the client waits for a heartbeat: it would drop the connection and open another one.
  const socket = asking.eventHub._socketIo.webSocket;
  await new Promise((done) => setTimeout(done, 16_000));
  assert.equal(asking.eventHub._socketIo.webSocket, socket);

  const question = new Event("javascript.question", { number: 21 });
  const reply = await asking.eventHub.publishAndWaitForReply(question, { timeout: 20 });

  assert.deepEqual(reply.data, { answer: 42 });
  assert.equal(reply.inReplyToEvent, question.getData().id);
});

// Files. The client uploads as a browser does; node lacks the browser's ways, not the server ours.

class XMLHttpRequest extends EventTarget {
  upload = new EventTarget();
  readyState = 0;
  status = 0;
  headers = {};

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  getResponseHeader(name) {
    return this.answer.headers.get(name);
  }

  async send(body) {
    const { method, url, headers } = this;
    try {
      this.answer = await fetch(url, { method, headers, body });
      this.response = await this.answer.text();
    } catch {
      this.onerror?.();
      return;
    }
    this.status = this.answer.status;
    this.readyState = 4;
    this.onreadystatechange?.();
    this.onload?.();
  }
}

globalThis.XMLHttpRequest = XMLHttpRequest;
globalThis.window = {
  FTRACK_UPLOAD_CHUNK_SIZE: CHUNK,
  navigator: { onLine: true },
  addEventListener() {},
  removeEventListener() {},
};

for (const [name, size] of [["in one piece", CHUNK], ["in parts", 4 * CHUNK + 7]]) {
  test(`a file is uploaded ${name} and downloaded`, async () => {
    const content = new Uint8Array(size).map((_, index) => index % 251);
    const [component, location, upload] = await session.createComponent(new Blob([content]), {
      name: "größe 1.bin",
    });
    assert.equal("urls" in upload, size > 2 * CHUNK);
    assert.deepEqual([component.data.name, component.data.file_type], ["größe 1", ".bin"]);
    assert.equal(location.data.location_id, SERVER);

    const answer = await fetch(session.getComponentUrl(component.data.id));
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), content);
    const stored = await one(`select size, component_locations.url from FileComponent where id is "${component.data.id}"`);
    assert.equal(stored.size, size);
    const { value } = stored.component_locations[0].url;
    assert.deepEqual(new Uint8Array(await (await fetch(value)).arrayBuffer()), content);
  });
}

test("there is a picture for what has none", async () => {
  const answer = await fetch(session.thumbnailUrl(null));
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /^image\//);
});

test("a location that is not the server's takes a component as well", async () => {
  const [component, location] = await session.call([
    operation.create("FileComponent", { id: "0a6a1f1e-7c1f-4c1e-9a77-1d2a3b4c5d6e", name: "main", file_type: ".exr" }),
    operation.create("ComponentLocation", {
      component_id: "0a6a1f1e-7c1f-4c1e-9a77-1d2a3b4c5d6e",
      location_id: UNMANAGED,
      resource_identifier: "/renders/a.exr",
    }),
  ]);
  assert.equal(component.data.system_type, "file");
  assert.equal(location.data.resource_identifier, "/renders/a.exr");
});

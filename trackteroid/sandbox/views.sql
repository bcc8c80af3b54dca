-- Computed rows (types marked `view` in entity_types.schema). Source: specification 2.10 and 4.4.
-- Dense custom attribute values: for every entity one row per configuration that applies to it, set or not. The value is
-- the stored one, else the configuration's default; hierarchical ones are not inherited.

CREATE VIEW "ContextCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       c."project_id" AS "project_id",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" WHEN c."is_hierarchical" THEN NULL ELSE c."default" END AS "value"
FROM "Context" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND (c."project_id" IS NULL OR c."project_id" = e."project_id")
    AND (c."is_hierarchical" = 1
         OR (c."entity_type" = 'show' AND e."context_type" = 'show')
         OR (c."entity_type" = 'task' AND e."context_type" = 'task' AND c."object_type_id" = e."object_type_id"))
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

CREATE VIEW "AssetCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       c."project_id" AS "project_id",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" WHEN c."is_hierarchical" THEN NULL ELSE c."default" END AS "value"
FROM "Asset" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND (c."project_id" IS NULL OR c."project_id" = (SELECT p."project_id" FROM "Context" p WHERE p."id" = e."context_id"))
    AND (c."is_hierarchical" = 1 OR c."entity_type" = 'asset')
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

CREATE VIEW "AssetVersionCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       c."project_id" AS "project_id",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" WHEN c."is_hierarchical" THEN NULL ELSE c."default" END AS "value"
FROM "AssetVersion" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND (c."project_id" IS NULL OR c."project_id" = (
            SELECT p."project_id" FROM "Context" p JOIN "Asset" a ON a."context_id" = p."id" WHERE a."id" = e."asset_id"))
    AND (c."is_hierarchical" = 1 OR c."entity_type" = 'assetversion')
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

CREATE VIEW "UserCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" ELSE c."default" END AS "value"
FROM "Resource" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND c."entity_type" = 'user' AND e."__type" = 'User'
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

CREATE VIEW "ListCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       c."project_id" AS "project_id",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" ELSE c."default" END AS "value"
FROM "List" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND (c."project_id" IS NULL OR c."project_id" = e."project_id") AND c."entity_type" = 'list'
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

CREATE VIEW "ListObjectCustomAttributeValue" AS
SELECT e."__seq" * 1000000 + c."__seq" AS "__seq", c."id" AS "configuration_id", e."id" AS "entity_id", c."key" AS "key",
       CASE WHEN v."__seq" IS NOT NULL THEN v."value" ELSE c."default" END AS "value"
FROM "ListObject" e
JOIN "CustomConfigurationBase" c ON c."__type" = 'CustomAttributeConfiguration'
    AND c."entity_type" = 'listobject'
LEFT JOIN "CustomAttributeValue" v ON v."configuration_id" = c."id" AND v."entity_id" = e."id";

-- The same links seen from the other end: the type in front of the name is that of the entity with id `from_id`.
CREATE VIEW "CustomAttributeLinkFrom" AS
SELECT l."__seq" AS "__seq", l."id" AS "id", l."configuration_id" AS "configuration_id", l."from_id" AS "from_id",
       l."to_id" AS "to_id", l."from_entity_type" AS "from_entity_type", l."to_entity_type" AS "to_entity_type",
       CASE l."from_entity_type" WHEN 'task' THEN 'Context' WHEN 'show' THEN 'Context' WHEN 'asset' THEN 'Asset'
            WHEN 'assetversion' THEN 'AssetVersion' WHEN 'component' THEN 'Component' WHEN 'group' THEN 'Group'
            WHEN 'list' THEN 'List' WHEN 'user' THEN 'User' ELSE '' END || 'CustomAttributeLinkFrom' AS "__type"
FROM "CustomAttributeLink" l;

"""Checks at the end of a batch (trap 13): nothing missing, nothing dangling, nothing twice (specification 2.12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trackteroid.sandbox.changes import Changes, StoredRow, id_list
from trackteroid.sandbox.errors import ApiError, DuplicateEntryError, IntegrityError
from trackteroid.sandbox.schema import Attribute, Kind, Schema
from trackteroid.sandbox.storage import SEQUENCE, TYPE, quoted
from trackteroid.sandbox.values import Stored

__all__ = ["check"]


@dataclass(frozen=True, kw_only=True)
class _Unique:
    """Columns that no two rows of a table share; rows with a null in them are free."""

    table: str
    columns: tuple[str, ...]
    error: type[ApiError] = IntegrityError
    among: str = "1"


_RULES = (
    _Unique(table="Timer", columns=("user_id",), error=DuplicateEntryError),
    _Unique(table="Resource", columns=("username",), error=DuplicateEntryError),
    _Unique(table="Context", columns=("name",), error=DuplicateEntryError, among=f"{quoted(TYPE)} = 'Project'"),
    _Unique(table="Context", columns=("full_name",), error=DuplicateEntryError, among=f"{quoted(TYPE)} = 'Project'"),
    _Unique(table="Context", columns=("parent_id", "object_type_id", "name"), among=f"{quoted(TYPE)} <> 'Project'"),
    _Unique(table="Location", columns=("name",)),
)


def check(changes: Changes) -> None:
    """Check every row that the batch wrote.

    Raises:
        IntegrityError: A required value is null, a referenced row doesn't exist, or a value must be unique and isn't.
        DuplicateEntryError: The same, for the rules that a real server reports under this name.
    """
    schema = changes.storage.schema
    wanted: dict[str, dict[Stored, tuple[StoredRow, Attribute]]] = {}
    for table, sequences in changes.touched.items():
        rows = changes.read_all(
            schema.in_table(table)[0],
            f"{quoted(SEQUENCE)} IN (SELECT value FROM json_each(?))",
            (id_list(list(sequences)),),
        )
        for row in rows:
            _check_row(schema, row, sequences[row.sequence], wanted)
        for rule in _RULES:
            if rule.table == table:
                _check_unique(changes, rule, (row for row in rows if sequences[row.sequence] & set(rule.columns)))
    for table, references in wanted.items():
        _check_references(changes, table, references)


def _check_row(
    schema: Schema,
    row: StoredRow,
    columns: Iterable[str],
    wanted: dict[str, dict[Stored, tuple[StoredRow, Attribute]]],
) -> None:
    for name in columns:
        attribute = row.entity_type.attributes.get(name)
        if attribute is None or not attribute.is_stored:
            continue
        value = row.values[name]
        if value is None:
            if not attribute.nullable:
                raise IntegrityError(f"{row.entity_type.name}.{name} must not be null ({_shown(row)}).")
        elif attribute.kind is Kind.KEY and attribute.target in schema and attribute.target_column == "id":
            wanted.setdefault(schema.type(attribute.target or "").table, {}).setdefault(value, (row, attribute))


def _check_references(changes: Changes, table: str, references: dict[Stored, tuple[StoredRow, Attribute]]) -> None:
    missing = changes.storage.column(
        f'SELECT j.value FROM json_each(?) j WHERE NOT EXISTS (SELECT 1 FROM {quoted(table)} t WHERE t."id" = j.value)',
        (id_list(list(references)),),
    )
    for value in missing:
        row, attribute = references[value]
        raise IntegrityError(
            f"{row.entity_type.name}.{attribute.name} refers to {attribute.target} {value}, which does not exist"
            f" ({_shown(row)})."
        )


def _check_unique(changes: Changes, rule: _Unique, rows: Iterable[StoredRow]) -> None:
    equal = " AND ".join(f"{quoted(column)} = ?" for column in rule.columns)
    sql = f"SELECT COUNT(*) FROM {quoted(rule.table)} WHERE {equal} AND {rule.among}"
    among_type = rule.among.endswith("= 'Project'")
    for row in rows:
        values = tuple(row.values[column] for column in rule.columns)
        if None in values or (rule.table == "Context" and among_type != (row.entity_type.name == "Project")):
            continue
        if changes.storage.execute(sql, values).fetchone()[0] > 1:
            shown = ", ".join(f'{column} "{value}"' for column, value in zip(rule.columns, values, strict=True))
            raise rule.error(f"Duplicate entry: there is already a {row.entity_type.name} with {shown}.")


def _shown(row: StoredRow) -> str:
    return " ".join([row.entity_type.name, *(str(part) for part in row.key)])

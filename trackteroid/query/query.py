"""`Query`: what to ask, and asking it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import ftrack_api.exception

from trackteroid import configuration
from trackteroid.entities.entity import Entity, EntityType
from trackteroid.entities.values import NOT_SET, items, read
from trackteroid.errors import EntityCollectionOperationError, UsageError
from trackteroid.query.criteria import Criteria, Criterion, injection, make_criterion, merged, rule_of, where_text
from trackteroid.query.criteria_table import criteria_of
from trackteroid.query.loggers import logger
from trackteroid.query.projections import Projection, check_projections, projection_paths, resolve_path
from trackteroid.query.schemas import SCHEMA
from trackteroid.query.scope import Scope
from trackteroid.session import SESSION, Session

# Collections are what results are made of; whoever only writes queries down does without.
if TYPE_CHECKING:
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.context import Context
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["Query"]

E = TypeVar("E", bound=Entity)

ORDERS = ("ascending", "descending")


class Query(Generic[E]):
    """A question to the server about entities of one type.

    Criteria (`by_...`, `not_by_...`, `inject`) add to the query and return it; terminators (`get...`) ask the server and
    leave the query as it is. Making a query and looking at it needs no server unless it uses a relation between types.

    Args:
        entity_class: The class to look for.
        session: The session to ask; default: `SESSION`.
        schema: The relation schema; default: `SCHEMA.default`.

    Attributes:
        projections: What to fetch in every result besides the class's defaults.
        criteria: The criteria, in the order in which they were first given.

    Raises:
        TypeError: `entity_class` is no entity class, `session` no session of trackteroid, or `schema` none of `SCHEMA`.
    """

    def __init__(self, entity_class: type[E], session: Any = None, schema: Any = None) -> None:
        if not isinstance(entity_class, EntityType):
            raise TypeError(f"Query takes an entity class such as Shot, not {entity_class!r}.")
        # The schema tells who can do what queries need; asking the default session for it would make it connect.
        if session is not None and not isinstance(session, Session) and not hasattr(session, "schema_index"):
            raise TypeError(f"Query asks sessions of trackteroid (trackteroid.session.Session), not {session!r}.")
        if schema is not None and not (isinstance(schema, Mapping) and "name" in schema):
            raise TypeError(f"schema must be a relation schema such as SCHEMA.default, not {schema!r}.")
        self._entity_class: EntityType = entity_class
        self.session = SESSION if session is None else session
        self._schema = schema
        self.projections: list[Projection] = []
        self.criteria: list[Criterion] = []

    @property
    def entity_type(self) -> type[E]:
        """The class that is looked for."""
        return self._entity_class  # type: ignore[return-value]

    @property
    def schema(self) -> Any:
        """The relation schema."""
        if self._schema is None:
            self._schema = SCHEMA.default
        return self._schema

    @property
    def primary_key(self) -> str:
        """The attribute that results are ordered by where nothing else is asked for."""
        return self._entity_class.projections[0]

    @property
    def valid(self) -> bool:
        """Whether the query can be written down: every target of its criteria can be reached."""
        try:
            str(self)
        except Criteria.InvalidArgumentsError:
            return False
        return True

    def __copy__(self) -> Query[E]:
        copied: Query[E] = Query(self.entity_type, self.session, self._schema)
        copied.projections = list(self.projections)
        copied.criteria = list(self.criteria)
        return copied

    def __deepcopy__(self, memo: object) -> Query[E]:
        return self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{self!r} belongs to its session and cannot be pickled: send str(query), or make it again there."
        )

    def __str__(self) -> str:
        return self._text(self.paths(None))

    def __repr__(self) -> str:
        return f"<Query on {self._entity_class.__name__} with {len(self.criteria)} criteria>"

    def __dir__(self) -> list[str]:
        names = criteria_of(self._entity_class)
        return [*super().__dir__(), *names, *(f"not_{name}" for name in names)]

    # Criteria

    def __getattr__(self, name: str) -> Callable[..., Query[E]]:
        if not name.startswith(("by_", "not_by_")):
            raise AttributeError(
                f"A query has no attribute {name!r}: it has criteria (by_..., not_by_..., inject), and get_all, get_first and "
                f"get_one ask the server."
            )
        rule_of(self._entity_class, name)

        def add(*arguments: Any, **keywords: Any) -> Query[E]:
            criterion = make_criterion(self._entity_class, name, arguments, keywords)
            self.criteria = merged(self.criteria, criterion)
            return self

        add.__name__ = name
        return add

    def inject(self, *fragments: str) -> Query[E]:
        """Add conditions in the server's query language as they are.

        Args:
            *fragments: Conditions, all of which must hold. One leading `and` or `where` is dropped.

        Raises:
            Criteria.InvalidArgumentsError: A fragment is empty or starts with `or`, or there is none.
        """
        if not fragments:
            raise Criteria.InvalidArgumentsError("inject needs a text.")
        added = [injection(fragment) for fragment in fragments]
        for criterion in added:
            if configuration.WARN_ON_INJECT:
                logger("query").warning(
                    "Injected into a query on %s: %s", self._entity_class.__name__, *criterion.values
                )
            self.criteria = merged(self.criteria, criterion)
        return self

    # Terminators

    def get(
        self,
        projections: Collection[Projection] | None = None,
        limit: int | None = None,
        offset: int = 0,
        order: str = "ascending",
        order_by: Projection | None = None,
    ) -> EntityCollection[E] | EmptyCollection[E]:
        """Ask the server.

        Args:
            projections: What to fetch besides the class's defaults: attribute paths, entity classes, class chains.
            limit: Most entities to return; None or 0: all.
            offset: How many to skip.
            order: `ascending` or `descending`.
            order_by: The attribute path to order by; entities that have none come last.

        Raises:
            UsageError: `order` is no order, `projections` no list, tuple or set, or `limit` or `offset` no number of entities.
            TypeError: An element of `projections`, or `order_by`, cannot be projected.
            ValueError: It is a text, but no attribute path.
            Criteria.InvalidArgumentsError: A criterion's target cannot be reached.
        """
        return self._ask(check_projections(projections), limit, offset, order, order_by)

    def get_all(
        self,
        projections: Collection[Projection] | None = None,
        limit: int | None = None,
        offset: int = 0,
        order: str = "ascending",
        order_by: Projection | None = None,
    ) -> EntityCollection[E] | EmptyCollection[E]:
        """Ask the server for all matching entities; arguments and errors as of `get`."""
        return self.get(projections, limit, offset, order, order_by)

    def get_first(
        self, projections: Collection[Projection] | None = None, offset: int = 0
    ) -> EntityCollection[E] | EmptyCollection[E]:
        """Ask the server for one matching entity, the first by primary key after `offset` others."""
        return self.get(projections, limit=1, offset=offset)

    def get_one(self, projections: Collection[Projection] | None = None) -> EntityCollection[E]:
        """Ask the server for the only matching entity.

        Raises:
            ftrack_api.exception.NoResultFoundError: There is none.
            ftrack_api.exception.MultipleResultsFoundError: There are several.
        """
        from trackteroid.entities.empty import EmptyCollection

        found = self._ask(check_projections(projections), 2, 0, ORDERS[0], None, warn=False)
        if isinstance(found, EmptyCollection):
            raise ftrack_api.exception.NoResultFoundError(f"Nothing was found by: {self._for_message()}")
        if len(found) > 1:
            raise ftrack_api.exception.MultipleResultsFoundError(f"More than one was found by: {self._for_message()}")
        return found

    def get_inputs(
        self,
        target: type[Entity] | Collection[Projection] | None = None,
        projections: Collection[Projection] | None = None,
    ) -> EntityCollection[Any] | EmptyCollection[Any]:
        """Ask for what is linked as input to the matching entities.

        Args:
            target: The class to look for; default: the queried one.
            projections: What to fetch of the inputs.

        Raises:
            EntityCollectionOperationError: Entities of the queried type are never linked.
        """
        return self._linked("incoming_links", "from_id", target, projections)

    def get_outputs(
        self,
        target: type[Entity] | Collection[Projection] | None = None,
        projections: Collection[Projection] | None = None,
    ) -> EntityCollection[Any] | EmptyCollection[Any]:
        """Ask for what is linked as output to the matching entities; arguments as of `get_inputs`."""
        return self._linked("outgoing_links", "to_id", target, projections)

    def _linked(
        self, links: str, end: str, target: Any, projections: Any
    ) -> EntityCollection[Any] | EmptyCollection[Any]:
        from trackteroid.entities.empty import EmptyCollection

        if target is not None and not isinstance(target, EntityType):
            target, projections = None, target
        check_projections(projections)
        if not self.session.schema_index.knows(self._entity_class.__name__, links):
            raise EntityCollectionOperationError(f"{self._entity_class.__name__} has no links.")
        wanted: Any = target or self._entity_class
        found = self.get_all(projections=[f"{links}.{end}"])
        ids = [str(one) for link in found.attribute(links) for one in link.attribute(end)]
        if not ids:
            return EmptyCollection(wanted, context=self._context())
        query: Query[Any] = Query(wanted, self.session, self._schema)
        return query.by_id(*ids).get_all(projections=projections)

    # Text

    def paths(self, projections: Collection[Projection] | None, scope: Scope | None = None) -> list[str]:
        """Return the attribute paths that a result with these projections has."""
        return projection_paths([self.projections, check_projections(projections)], scope or self._scope())

    def _scope(self) -> Scope:
        return Scope(self._entity_class, self.schema, lambda: self.session.schema_index)

    def _text(self, paths: Iterable[str]) -> str:
        where = where_text(self.criteria, self._scope())
        text = f"select {', '.join(paths)} from {self._entity_class.__name__}"
        return f"{text} where {where}" if where else text

    def _for_message(self) -> str:
        # The client passes the message through str.format.
        return str(self).replace("{", "{{").replace("}", "}}")

    # Asking

    def _context(self) -> Context:
        from trackteroid.entities.collection import collect
        from trackteroid.entities.context import Context

        return Context(
            self.session, self.schema, self.session.schema_index, self.session.generation, _make_query, collect
        )

    def _ask(
        self,
        projections: Collection[Projection],
        limit: int | None,
        offset: int,
        order: str,
        order_by: Projection | None,
        *,
        warn: bool = True,
    ) -> EntityCollection[E] | EmptyCollection[E]:
        if order not in ORDERS:
            raise UsageError(f"order must be 'ascending' or 'descending', not {order!r}.")
        _check_number("limit", limit)
        _check_number("offset", offset)
        offset = offset or 0
        key = self._order_key(order_by)
        paths = self.paths(projections)
        text = self._text(dict.fromkeys([*paths, key] if key else paths))
        ordering = f" order by {key} {order}" if key else f" order by {self.primary_key}" if limit or offset else ""
        paging = (f" limit {limit}" if limit else "") + (f" offset {offset}" if offset else "")
        resolved = f"{text}{paging}{ordering}"
        name = self.schema["name"]
        log = logger("query")
        reused = self.session.reused_results.get((name, resolved))
        if reused is not None:
            log.debug('Reusing the result of query: "%s"', resolved)
            return reused  # type: ignore[no-any-return]
        found = self.session.fetch_entities(
            f"{text}{ordering}",
            limit=limit or None,
            offset=offset,
            on_miss=lambda: log.info('Performing query: "%s"', resolved),
        )
        if key:
            found.sort(key=lambda entity: not _has(entity, key.split(".")))
        collection = self._collection(found, projections)
        if not found and warn:
            log.warning('Nothing was found by query: "%s"', text)
        keys = [(name, resolved)]
        if found:
            keys += [(name, key_text) for key_text in self._id_texts(collection, paths)]
        self.session.reused_results.put(keys, collection)
        return collection

    def _order_key(self, order_by: Projection | None) -> str | None:
        if order_by is None:
            return None
        paths = resolve_path(order_by, self._scope())
        if len(paths) != 1:
            raise UsageError(f"order_by must be one attribute path, not {order_by!r}.")
        return paths[0]

    def _collection(
        self, found: Sequence[Any], projections: Collection[Projection]
    ) -> EntityCollection[E] | EmptyCollection[E]:
        from trackteroid.entities.collection import collect
        from trackteroid.entities.context import View
        from trackteroid.entities.empty import EmptyCollection

        context = self._context()
        if not found:
            return EmptyCollection(self.entity_type, context=context)
        asked = self.__copy__()
        asked.projections = [*self.projections, *projections]
        return collect(View(self._entity_class, context), found, asked)

    def _id_texts(self, collection: EntityCollection[E] | EmptyCollection[E], paths: Sequence[str]) -> Iterator[str]:
        """Yield the texts of queries by id that a result with these attribute paths answers too."""
        where = where_text([Criterion("by_id", values=tuple(collection.keys()))], self._scope())
        for requested in dict.fromkeys((", ".join(paths), ", ".join(self._entity_class.projections))):
            yield f"select {requested} from {self._entity_class.__name__} where {where}"


def _make_query(context: Context, entity_type: EntityType) -> Query[Any]:
    query: Query[Any] = Query(entity_type, context.session, context.schema)
    return query


def _check_number(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise UsageError(f"{name} must be a number of entities such as 10, not {value!r}.")


def _has(entity: Any, path: Sequence[str]) -> bool:
    value = read(entity, path[0])
    if len(path) > 1:
        return any(_has(child, path[1:]) for child in items(value))
    return value is not None and value is not NOT_SET

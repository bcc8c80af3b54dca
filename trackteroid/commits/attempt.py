"""One attempt at a claimed commit: from the claim to the verdict.

It goes through these steps, each told to the observer before the next begins: `claimed`, `before_sent` (about to mark the attempt
as sent), `sent` (marked; the request leaves next), `answered` (the server has applied it, the ledger does not know yet),
`finished` (the ledger knows the verdict). Whatever ends the process between two steps, the next attempt does the right thing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from trackteroid.commits.ancestry import without_ancestors
from trackteroid.commits.claim import Claim
from trackteroid.commits.classification import Verdict, VerdictKind, classify, is_refusal
from trackteroid.commits.commit import Commit, CommitError
from trackteroid.commits.committer_policy import CommitterPolicy
from trackteroid.commits.get_or_create import decide_together
from trackteroid.commits.lease import Lease, LeaseKeeper, hand_back
from trackteroid.commits.ledger import Doubt, Ledger
from trackteroid.commits.payload import decompress
from trackteroid.commits.policy import refuse_forbidden
from trackteroid.commits.questions import asker
from trackteroid.commits.release_facts import with_facts_of_ensured
from trackteroid.commits.result import CommitResult
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.senders import Senders, in_whose_name, refused_name
from trackteroid.commits.server import Server, WarmServer, caching_of
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.signing import unseal_checked
from trackteroid.commits.state import CommitState
from trackteroid.commits.together import Part, result_of_part
from trackteroid.commits.verdicts import Complete, Outcome, Verdicts
from trackteroid.commits.work import Existing, Work
from trackteroid.errors import (
    BadInputError,
    LeaseLostError,
    LedgerDataError,
    LedgerError,
    LedgerUnavailableError,
    OtherServerError,
    RecordingError,
    RecordingRefusedError,
    ServerCallError,
    SessionClosedError,
    SignatureRefusedError,
    UnknownCommitError,
)
from trackteroid.operations.recording import Recording

__all__ = ["Attempt", "Observer"]

logger = logging.getLogger(__name__)

#: Before a verdict that is for good and that the server gave, a connection older than this is made anew, seconds.
FRESH_SESSION = 5.0

Observer = Callable[[str, Claim], None]


class Attempt:
    """Try a claimed commit once.

    Args:
        claim: The hold.
        ledger: Where it is claimed.
        server: Keeper of the connection to ftrack.
        policy: Numbers and rules.
        on_step: Observer of the steps; None: nobody.
        monotonic: Clock for durations.
        random: Source of [0, 1) for jitter.
        started: On that clock, right before the claim.
        senders: What this process knows of users.
        keeper: Renews the lease meanwhile.
        complete: Tells the ledger that it is done; as `Ledger.complete`.
    """

    def __init__(
        self,
        claim: Claim,
        ledger: Ledger,
        server: WarmServer,
        policy: CommitterPolicy,
        *,
        on_step: Observer | None,
        monotonic: Callable[[], float],
        random: Callable[[], float],
        started: float,
        senders: Senders,
        keeper: LeaseKeeper,
        complete: Complete,
    ) -> None:
        self._claim = claim
        self._ledger = ledger
        self._server = server
        self._policy = policy
        self._on_step = on_step
        self._monotonic = monotonic
        self._started = started
        self._senders = senders
        self._keeper = keeper
        # What is committed: the claimed one and its companions, and their recordings, in one order.
        self._commits: list[Commit] = [claim.commit]
        self._parts: list[Part] = []
        self._verdicts = Verdicts(
            ledger, claim, policy.retry, random=random, started=started, complete=complete, monotonic=monotonic
        )
        self._work: Work | None = None
        # Whether anything is created only if there is none like it, and which entities were there instead.
        self._ensures = False
        self._stands_for: dict[str, str] = {}
        # Whether this attempt's request has left: from then on a failure of ours proves nothing.
        self._sent = False
        # What the last try ended with.
        self._error: Exception | None = None

    def run(self) -> Outcome:
        """Do it, and tell the ledger.

        Raises:
            LedgerUnavailableError: The ledger cannot be reached; the commit is tried again soon, or when its lease expires.
        """
        commit_id = self._claim.commit.id
        try:
            self._step("claimed")
            with self._keeper.holding(self._claim) as lease:
                found = self._try(lease)
            if isinstance(found, CommitResult) and self._stands_for:
                found = replace(found, stands_for=self._stands_for)
            # What the server says may be the surroundings' fault. So may a signature, where a key was changed on one side only,
            # and another server, where the workers were not told that theirs has two names.
            told = isinstance(self._error, ServerCallError | SignatureRefusedError | OtherServerError)
            outcome = self._verdicts.record(found, told=told, companions=self._results_of_companions(found))
            self._step("finished")
            return outcome
        except LeaseLostError as error:
            logger.warning(
                "Lost the hold on a commit: %s", error, extra={"action": "lease_lost", "commit_id": commit_id}
            )
            return Outcome(commit_id=commit_id, state=CommitState.COMMITTING, message=str(error))
        except LedgerUnavailableError as error:
            self._put_off(error)
            raise
        except BaseException:
            # A shutdown (SystemExit, KeyboardInterrupt), not a verdict: the next worker need not wait for the lease.
            hand_back(self._ledger, self._claim)
            raise

    def _try(self, lease: Lease) -> CommitResult | Verdict:
        if self._claim.probe:
            # A rotated key, an address that has moved: an old connection would find the trouble where there is none any more.
            self._server.discard()
        found = self._try_once(lease)
        if (
            isinstance(found, Verdict)
            and found.kind is VerdictKind.PERMANENT
            and found.doubt is Doubt.NONE
            and self._work is not None
            and self._server.was_opened_before(self._started - self._freshness())
        ):
            # Before a verdict that is for good: rights, schema and login as they are now, not as they were this morning.
            self._server.discard()
            self._sent = False
            found = self._try_once(lease)
        return found

    def _freshness(self) -> float:
        # What we refuse by the schema that a connection has brought along is asked anew, however young that is. What the server
        # refuses it has looked at just now; only the login may be old.
        return FRESH_SESSION if isinstance(self._error, ServerCallError) else 0.0

    def _try_once(self, lease: Lease) -> CommitResult | Verdict:
        self._error = None
        try:
            return self._commit(lease)
        except LedgerError as error:
            if isinstance(error, LedgerDataError):
                return classify(error)
            raise
        except Exception as error:
            self._error = error
            return self._judge(error)

    def _commit(self, lease: Lease) -> CommitResult | Verdict:
        parts = self._parts = self._read_all()
        try:
            server = self._server.get()
            # A lazy session connects here.
            schemas = self._server.schemas()
        except Exception as error:
            return self._no_server(error)
        caching = caching_of(server)
        if caching is None:
            return self._commit_to(server, schemas, parts, lease)
        with caching.writing_as(min(commit.id for commit in self._commits)):
            return self._commit_to(server, schemas, parts, lease)

    def _commit_to(self, server: Server, schemas: Schemas, parts: list[Part], lease: Lease) -> CommitResult | Verdict:
        parts = self._parts = self._settled(parts, server)
        for part, commit in zip(parts, self._commits, strict=True):
            with self._blamed_on(commit):
                refuse_forbidden(part.recording, session=server)
        work = self._work = Work(server, schemas, *parts, timeout=self._request_seconds())
        if any(map(_is_uncertain, self._commits)):
            caching = caching_of(server)
            if caching is not None:
                # Who sent it may have died before the cache was told: whatever comes of this attempt, nobody who hears of it
                # must be answered with what was before.
                caching.invalidate(work.batch)
            work.reconcile(long_ago=any(commit.facts.recovered for commit in self._commits))
        if not work.to_send:
            return work.result([])
        work.validate()
        work.examine(version_policy=self._policy.version_policy, conflict_policy=self._policy.conflict_policy)
        if not work.to_send:
            return work.result([])
        return self._send(lease, server, work)

    def _settled(self, parts: list[Part], server: Server) -> list[Part]:
        """Return the parts without what is committed already, what they ensure looked up, and what was found in its place."""
        ask = asker(server, self._request_seconds())
        recordings = [
            with_facts_of_ensured(
                without_ancestors(part.recording, self._state_of, None if _is_uncertain(commit) else ask), part.release
            )
            for part, commit in zip(parts, self._commits, strict=True)
        ]
        decisions = decide_together(recordings, ask, self._stand_ins)
        self._stands_for = {key: other for each in decisions for key, other in each.stands_for.items()}
        ensured = {key for each in decisions for key in each.wanted}
        if ensured:
            # Before anything is sent: who refers to it is committed after this, and must find it.
            self._ledger.remember_stand_ins({key: self._stands_for.get(key) for key in sorted(ensured)})
        self._ensures = bool(ensured)
        return [part.settled(each.recording, each.replaced) for part, each in zip(parts, decisions, strict=True)]

    def _stand_ins(self, entity_ids: Sequence[str]) -> dict[str, str]:
        # Most came with the claim. (What another commit finds meanwhile this one learns if it fails without it.)
        told = self._claim.stand_ins
        known = {each: other for each in entity_ids if (other := told.get(each)) is not None}
        rest = [each for each in entity_ids if each not in told]
        return {**known, **self._ledger.stand_ins(rest)} if rest else known

    def _state_of(self, commit_id: str) -> CommitState | None:
        try:
            return self._ledger.get(commit_id).state
        except UnknownCommitError:
            return None

    def _send(self, lease: Lease, server: Server, work: Work) -> CommitResult:
        user = in_whose_name(work.parts)
        if user is not None and not self._senders.may_try(user):
            work.note(_refused(user))
            user = None
        looked = turned = False
        while True:
            if user is None:
                work.stamp(lambda name: self._senders.find(server, name, timeout=self._request_seconds()))
            try:
                return self._send_once(lease, server, work, user)
            except ServerCallError as error:
                if user is not None and refused_name(error):
                    self._senders.refuse(user)
                    work.note(_refused(user))
                    user = None
                elif not turned and work.refused_as_duplicate(error) and work.update_rows_there():
                    turned = True
                elif not looked and is_refusal(error) and work.leave_out_deleted():
                    looked = True
                    if not work.to_send:
                        return work.result([])
                else:
                    raise

    def _send_once(self, lease: Lease, server: Server, work: Work, user: str | None) -> CommitResult:
        self._step("before_sent")
        caching = caching_of(server)
        # The cache makes ready while the ledger does: neither waits for the other.
        with nullcontext() if caching is None else caching.announcing(work.to_send):
            deadline = lease.send_within(self._request_seconds())
            self._step("sent")
            # A fencing token cannot protect ftrack, so the request must be over before anybody else may try: what is left is
            # measured on our own clock, right before it leaves.
            left = deadline - self._monotonic()
            if left <= 0:
                raise LeaseLostError(f"This machine stood still while it was about to send {self._claim.commit.id}.")
            self._sent = True
            result = work.send(timeout=left, as_user=user)
        self._step("answered")
        return result

    def _read_all(self) -> list[Part]:
        claim = self._claim
        claimed = [(claim.commit, claim.payload, claim.overtaken)]
        claimed += [(each.commit, each.payload, each.overtaken) for each in claim.companions]
        # In the order in which they were recorded, as far as that is known: of two values of one attribute the later one counts.
        claimed.sort(key=lambda each: each[0].facts.recorded_at or "")
        self._commits = [commit for commit, _, _ in claimed]
        parts = []
        for commit, payload, overtaken in claimed:
            with self._blamed_on(commit):
                parts.append(Part(recording=self._read(commit, payload), overtaken=overtaken, release=commit.release))
        return parts

    @contextmanager
    def _blamed_on(self, commit: Commit) -> Iterator[None]:
        try:
            yield
        except (LedgerDataError, RecordingError) as error:
            if commit.id == self._claim.commit.id:
                raise
            raise type(error)(
                f"Commit {commit.id}, which has to be committed in one batch with this one: {error}"
            ) from error

    def _read(self, commit: Commit, payload: bytes | None) -> Recording:
        if payload is None:
            raise LedgerDataError("The ledger has lost the recording of this commit (does its Redis evict?).")
        payload = unseal_checked(
            payload,
            keys=self._policy.signing_keys,
            commit_id=commit.id,
            server_url=self._ledger.server_url,
        )
        recording = Recording.from_payload(decompress(payload, limit=self._policy.payload_limit))
        if recording.server_url is not None:
            try:
                recorded = normalise_server_url(recording.server_url, self._policy.server_aliases)
            except BadInputError as error:
                raise RecordingRefusedError(f"The ftrack server that it names is none: {error}") from error
            if recorded != self._ledger.server_url:
                raise OtherServerError(
                    f"It was recorded for {recorded} and enqueued for {self._ledger.server_url}. If both are one server, list "
                    "them in the workers' TRACKTEROID_SERVER_ALIASES and restart the workers."
                )
        return recording

    def _results_of_companions(self, found: CommitResult | Verdict) -> dict[str, CommitResult]:
        if isinstance(found, Verdict) or len(self._parts) == 1:
            return {}
        parts = {commit.id: part for commit, part in zip(self._commits, self._parts, strict=True)}
        return {
            name: result_of_part(found, part, [other for other in parts if other != name])
            for name, part in parts.items()
        }

    def _no_server(self, error: Exception) -> Verdict:
        # Nothing of this commit has been looked at, so nothing it can be blamed for: whatever is wrong is around us.
        self._server.discard()
        verdict = classify(error)
        kind = VerdictKind.TRANSIENT if verdict.kind is VerdictKind.TRANSIENT else VerdictKind.ENVIRONMENT
        reason = f"The worker cannot connect to ftrack: {verdict.reason}"
        return replace(verdict, kind=kind, reason=reason, doubt=Doubt.NONE)

    def _judge(self, error: Exception) -> CommitResult | Verdict:
        verdict = classify(error)
        if not self._sent:
            verdict = replace(verdict, doubt=Doubt.NONE)
        if _connection_is_bad(error, verdict):
            self._server.discard()
        if not isinstance(error, ServerCallError) or self._work is None:
            return verdict
        try:
            # A clash with what the batch creates may be a clash with itself: an earlier commit of which nobody knows any more.
            if self._work.refused_as_duplicate(error):
                existing = self._work.existing()
                if existing is Existing.ALL:
                    return self._all_created(self._work, verdict)
                if existing is Existing.SOME and self._claim.commit.uncertain_until is None:
                    # Half of it is there: the next attempt reconciles. (This one's mark in the ledger makes it.)
                    return replace(verdict, kind=VerdictKind.TRANSIENT, doubt=Doubt.SETTLED)
                if self._ensures and verdict.kind is VerdictKind.PERMANENT:
                    # Perhaps somebody made it after we had looked: a few more looks will tell.
                    return replace(verdict, kind=VerdictKind.UNKNOWN)
            if verdict.doubt is Doubt.SETTLED and self._verdicts.is_final(verdict):
                # Before it is given up, what it did is found out.
                self._work.reconcile()
                if not self._work.to_send:
                    return self._work.result([])
        except Exception as second:
            logger.warning("The server did not say what is there: %s", second)
            return classify(second) if verdict.doubt is Doubt.NONE else verdict
        return verdict

    def _all_created(self, work: Work, verdict: Verdict) -> CommitResult | Verdict:
        """Return what becomes of a commit all of whose creates are there, although none of its attempts was uncertain."""
        if self._claim.commit.attempts > 1:
            # A server that stops half-way has refused the rest of it before, and may have stopped after the last create.
            work.reconcile()
            if work.to_send:
                return replace(verdict, kind=VerdictKind.TRANSIENT, doubt=Doubt.SETTLED)
        return work.result([])

    def _request_seconds(self) -> float:
        # The margin covers the way of our mark to the ledger and the end of the request at its time-out.
        return min(self._policy.request_timeout, self._policy.lease_seconds * 0.8)

    def _put_off(self, trouble: LedgerUnavailableError) -> None:
        # A Redis that is full, or was away for a moment, may take this although it did not take the rest. Otherwise the commit
        # comes back when its lease expires, as if this worker had died: five such moments would make it poison.
        error = CommitError(kind="transient", error_class=type(trouble).__name__, message=str(trouble))
        doubt = Doubt.RUNNING if self._sent else Doubt.NONE
        try:
            self._ledger.retry(self._claim, delay=self._policy.retry.base, error=error, doubt=doubt)
        except LeaseLostError:
            # What was to be told last has arrived, only its answer has not; or somebody else has taken over.
            logger.warning("This worker holds %s no longer; the ledger knows how it goes on.", self._claim.commit.id)
        except LedgerError as second:
            logger.warning("The commit %s comes back when its lease expires: %s", self._claim.commit.id, second)

    def _step(self, name: str) -> None:
        if self._on_step is not None:
            self._on_step(name, self._claim)


def _is_uncertain(commit: Commit) -> bool:
    """Whether an earlier attempt may have been applied."""
    return commit.uncertain_until is not None or commit.facts.recovered


def _refused(user: str) -> str:
    return f"It was sent in the name of the workers' user, as ftrack does not accept their key for {user}."


def _connection_is_bad(error: Exception, verdict: Verdict) -> bool:
    # A server that is merely busy is not helped by connecting anew, which costs it two requests more.
    if isinstance(error, ServerCallError):
        return verdict.kind is VerdictKind.ENVIRONMENT or error.kind in ("connection", "timeout")
    return isinstance(error, SessionClosedError)

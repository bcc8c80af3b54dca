"""Celery's settings, each with its reason. Pure.

Facts behind them: Celery on Redis loses or repeats messages when workers are killed, whatever is set here. So nothing
that matters is in a message; the ledger holds the truth, and these settings keep messages small, few and harmless.
"""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue

from trackteroid.commits.wakeups import FLUSH_TASK, PURGE_TASK, SWEEP_TASK, housekeeping_queue, wakeup_queue
from trackteroid.redis_urls import broker_of
from trackteroid.settings import Settings
from workers.schedule import schedule

__all__ = ["configuration"]


def configuration(settings: Settings, server_url: str) -> dict[str, Any]:
    """Return Celery's settings.

    Args:
        settings: Ours.
        server_url: Normalised URL of the ftrack server this worker works for; names its queues.
    """
    broker, broker_options = broker_of(settings.redis_url)
    commits, housekeeping = wakeup_queue(server_url), housekeeping_queue(server_url)
    return {
        "broker_url": broker,
        "imports": ("tasks.commits", "tasks.housekeeping"),
        # A worker never takes the wake-ups of another server's commits, even on the same Redis.
        # Each queue with an exchange of its own: on a shared one, kombu would put every message in both.
        "task_queues": tuple(Queue(name, Exchange(name), routing_key=name) for name in (commits, housekeeping)),
        "task_default_queue": commits,
        "task_routes": {name: {"queue": housekeeping} for name in (SWEEP_TASK, PURGE_TASK, FLUSH_TASK)},
        # JSON only: a pickle in Redis would make everybody who can write there a user of the workers.
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        # Results are in the ledger. A backend would add keys that nobody reads and that expire at the wrong time.
        "task_ignore_result": True,
        "result_backend": None,
        "result_expires": None,
        # Early: a wake-up is used up when it is taken. Late acks would have it delivered again while its commit is still running.
        "task_acks_late": False,
        # One message per process: what is prefetched waits behind a slow commit although another worker is free.
        "worker_prefetch_multiplier": 1,
        # We send no ETA; should somebody, then not into a worker's memory without bound.
        "worker_eta_task_limit": 100,
        # Redis: see queue-and-cache B.8 in the specification for each value.
        "broker_transport_options": {
            # Messages are acknowledged within milliseconds, so the time until redelivery only has to be long.
            "visibility_timeout": 3600,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # A sweeper of kombu's that was killed with its lock must not block the others for five minutes.
            "unacked_mutex_expire": 60,
            # kombu waits for ever on a broker that hangs.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
            # With Sentinel: whom to ask for the primary.
            **broker_options,
        },
        "broker_connection_retry_on_startup": True,
        # Without limit: a broker that was away over night is back in the morning, and so should the workers be.
        "broker_connection_max_retries": None,
        # A commit goes on when the broker is lost: its lease decides who may work on it.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # At shutdown (SIGQUIT, or SIGTERM with REMAP_SIGTERM=SIGQUIT) a running commit gets this long; then its
        # process is told to end and hands the lease back.
        "worker_soft_shutdown_timeout": 20.0,
        # A commit that hangs: first an exception in the task, then the process. Its request ended long before.
        "task_soft_time_limit": 600,
        "task_time_limit": 660,
        # Sessions cache entities, plugins leak: a process is replaced after so many wake-ups, or above 600 MB (in kB).
        "worker_max_tasks_per_child": 500,
        "worker_max_memory_per_child": 600_000,
        # On a machine full of renders a process takes longer than four seconds to come up.
        "worker_proc_alive_timeout": 60.0,
        "worker_disable_rate_limits": True,
        "task_track_started": False,
        "beat_schedule": schedule(settings),
        # Keeps nothing on disk: all entries are intervals, so there is no last run worth remembering, and no file in the folder.
        "beat_scheduler": "workers.schedule:BoundedScheduler",
        "beat_max_loop_interval": min(settings.sweep_seconds, 5.0),
        "timezone": "UTC",
    }

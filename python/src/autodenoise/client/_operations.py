"""The operations of the API, by their ids."""
# Written by scripts/python-client.py from openapi/openapi.json.

from __future__ import annotations

from typing import Literal, NamedTuple

OperationId = Literal[
    "append_upload",
    "cancel_job",
    "create_dataset",
    "create_job",
    "create_reproduction",
    "create_upload",
    "create_webhook",
    "delete_dataset",
    "delete_job",
    "delete_upload",
    "delete_webhook",
    "discover_uploads",
    "enable_webhook",
    "find_dataset",
    "find_job",
    "find_upload",
    "find_webhook",
    "get_artifact",
    "get_capabilities",
    "get_healthz",
    "get_metrics",
    "get_overlap",
    "get_readyz",
    "get_report",
    "get_upload_sample",
    "get_verdict",
    "list_artifacts",
    "list_attempts",
    "list_audit",
    "list_checkpoints",
    "list_datasets",
    "list_deliveries",
    "list_events",
    "list_jobs",
    "list_metrics",
    "list_rows",
    "list_webhooks",
    "list_workers",
    "pause_job",
    "plan_job",
    "resend_message",
    "resume_job",
    "rotate_webhook_secret",
    "test_webhook",
    "upload_table",
]


class Operation(NamedTuple):
    """How an operation is asked for."""

    method: str
    """The HTTP method."""
    path: str
    """The address, with ``{name}`` where a part of it goes."""


OPERATIONS: dict[OperationId, Operation] = {
    "append_upload": Operation("PATCH", "/v1/uploads/{id}"),
    "cancel_job": Operation("POST", "/v1/jobs/{id}/cancel"),
    "create_dataset": Operation("POST", "/v1/datasets"),
    "create_job": Operation("POST", "/v1/jobs"),
    "create_reproduction": Operation("POST", "/v1/jobs/{id}/reproductions"),
    "create_upload": Operation("POST", "/v1/uploads"),
    "create_webhook": Operation("POST", "/v1/webhooks"),
    "delete_dataset": Operation("DELETE", "/v1/datasets/{id}"),
    "delete_job": Operation("DELETE", "/v1/jobs/{id}"),
    "delete_upload": Operation("DELETE", "/v1/uploads/{id}"),
    "delete_webhook": Operation("DELETE", "/v1/webhooks/{id}"),
    "discover_uploads": Operation("OPTIONS", "/v1/uploads"),
    "enable_webhook": Operation("POST", "/v1/webhooks/{id}/enable"),
    "find_dataset": Operation("GET", "/v1/datasets/{id}"),
    "find_job": Operation("GET", "/v1/jobs/{id}"),
    "find_upload": Operation("HEAD", "/v1/uploads/{id}"),
    "find_webhook": Operation("GET", "/v1/webhooks/{id}"),
    "get_artifact": Operation("GET", "/v1/jobs/{id}/artifacts/{name}"),
    "get_capabilities": Operation("GET", "/v1/capabilities"),
    "get_healthz": Operation("GET", "/healthz"),
    "get_metrics": Operation("GET", "/metrics"),
    "get_overlap": Operation("GET", "/v1/jobs/{id}/overlap"),
    "get_readyz": Operation("GET", "/readyz"),
    "get_report": Operation("GET", "/v1/jobs/{id}/report"),
    "get_upload_sample": Operation("GET", "/v1/uploads/{id}/sample"),
    "get_verdict": Operation("GET", "/v1/jobs/{id}/verdict"),
    "list_artifacts": Operation("GET", "/v1/jobs/{id}/artifacts"),
    "list_attempts": Operation("GET", "/v1/jobs/{id}/attempts"),
    "list_audit": Operation("GET", "/v1/audit"),
    "list_checkpoints": Operation("GET", "/v1/jobs/{id}/checkpoints"),
    "list_datasets": Operation("GET", "/v1/datasets"),
    "list_deliveries": Operation("GET", "/v1/webhooks/{id}/deliveries"),
    "list_events": Operation("GET", "/v1/jobs/{id}/events"),
    "list_jobs": Operation("GET", "/v1/jobs"),
    "list_metrics": Operation("GET", "/v1/jobs/{id}/metrics"),
    "list_rows": Operation("GET", "/v1/jobs/{id}/rows"),
    "list_webhooks": Operation("GET", "/v1/webhooks"),
    "list_workers": Operation("GET", "/v1/workers"),
    "pause_job": Operation("POST", "/v1/jobs/{id}/pause"),
    "plan_job": Operation("POST", "/v1/jobs/plan"),
    "resend_message": Operation("POST", "/v1/webhooks/{id}/deliveries/{message_id}/resend"),
    "resume_job": Operation("POST", "/v1/jobs/{id}/resume"),
    "rotate_webhook_secret": Operation("POST", "/v1/webhooks/{id}/rotate"),
    "test_webhook": Operation("POST", "/v1/webhooks/{id}/test"),
    "upload_table": Operation("POST", "/v1/datasets/table"),
}

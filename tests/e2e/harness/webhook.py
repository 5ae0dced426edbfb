"""Judges a webhook with the public packages `standardwebhooks` and `cloudevents`, and with plain `hmac`: not with our code."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import time

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks.webhooks import Webhook

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def standard(secret):
    """Returns the verifier for a rule's secret: `whsec_` + base64 is a key, any other text its UTF-8 bytes (C6)."""
    return Webhook(secret if secret.startswith("whsec_") else secret.encode())


def verified(delivery, secret):
    """Returns the CloudEvent of a signed delivery in the dialect `bucketbell`, or fails."""
    headers = delivery.headers
    assert delivery.method == "POST"
    standard(secret).verify(delivery.body, headers)
    expected = "sha256=" + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    assert headers["x-signature-256"] == expected, "X-Signature-256 is the HMAC-SHA256 of the body (B9)"
    return parsed(delivery)


def parsed(delivery):
    """Returns the CloudEvent of a delivery after checking everything about it but its signatures."""
    headers = delivery.headers
    assert UUID.fullmatch(headers["webhook-id"]), headers["webhook-id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert re.fullmatch(r"bucketbell/\d+\.\d+\.\d+\S*", headers["user-agent"]), headers["user-agent"]
    assert int(headers["content-length"]) == len(delivery.body), "requests have a Content-Length (X5)"
    assert delivery.attempt >= 1 and delivery.sequence >= 1
    if "bucketbell-settled" in headers:
        assert 0 <= int(headers["bucketbell-settled"])
    event = from_http_event(HTTPMessage(headers, delivery.body))
    assert event.get_specversion() == "1.0"
    assert event.get_id() == delivery.id, "the id of the CloudEvent is the webhook-id"
    return event


def data_of(event):
    """Returns the data of a data event after checking the fields that the contract fixes."""
    data = event.get_data()
    if isinstance(data, (bytes, str)):
        data = json.loads(data)
    assert event.get_source() == f"/bucketbell/{data['bucket']}"
    assert event.get_subject() == data["key"], "the subject is the raw key"
    assert re.fullmatch(r"[0-9A-Fa-f]+", data["sequencer"]), data["sequencer"]
    stamp = event.get_time()
    if isinstance(stamp, str):
        stamp = datetime.datetime.fromisoformat(stamp)
    assert abs(stamp.timestamp() - time.time()) < 600
    return data


def base64_secret(text):
    return "whsec_" + base64.b64encode(text).decode()

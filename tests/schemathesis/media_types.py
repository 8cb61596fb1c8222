"""Media types of this API that Schemathesis does not know by itself, and requests that it takes for wrong and are not."""

import schemathesis

# A part of an upload is bytes like any others.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.deserializer("application/octet-stream")
def bytes_as_text(context, response):
    """Results are binary: to the schema, a string."""
    return response.content.decode("latin-1")


@schemathesis.deserializer("application/json")
def results_as_text(context, response):
    """A result is a file whatever is in it; every other answer in JSON, problems too, is what its schema says."""
    if "/artifacts/" in response.request.url and response.status_code < 400:
        return bytes_as_text(context, response)
    return response.json()


@schemathesis.hook
def filter_case(context, case):
    """A header that nobody has described is ignored, as HTTP wants it (RFC 9110, 5.1), and does not make a request wrong."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})

"""What schemathesis is told besides the document: the name of a model that this gateway knows.

Run in schemathesis's own environment, so it must not import anything of ours.
"""

import schemathesis

MODEL = "mini"


@schemathesis.hook
def map_body(context, body):
    """A model that runs somewhere, where any is named."""
    if isinstance(body, dict) and isinstance(body.get("model"), str) and body["model"]:
        return {**body, "model": MODEL}
    return body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Likewise in paths."""
    if path_parameters and "model" in path_parameters:
        return {**path_parameters, "model": MODEL}
    return path_parameters

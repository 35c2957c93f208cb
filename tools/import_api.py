#!/usr/bin/env python3
"""Makes or refreshes a data file of api/ from a botocore service model.

    tools/import_api.py path/to/bedrock-runtime/2023-09-30/service-2.json api/bedrock-runtime.json

The model gives operations, shapes, constraints and error statuses. What no model says is kept in the data file by hand and
survives a refresh:

  path_encoding, skew_seconds   how the service verifies signatures
  action, resource              of an operation: the IAM action, and the resource part of the ARN that it is checked against
  arn_types                     of an operation: it owns its path only for ARNs of these resource types
  lax                           of a shape: the real service does not enforce this pattern, so neither does Craton

A new operation gets the action SIGNING_NAME:OPERATION and no resource, to be completed by hand.
"""
import json
import sys

FLAGS = {"sensitive": "sensitive", "union": "union", "document": "document", "eventstream": "eventstream"}
LOCATIONS = {"uri": "uri", "querystring": "query", "header": "header", "headers": "headers"}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def import_member(name, member):
    out = {"shape": member["shape"]}
    if "location" in member:
        out["in"] = LOCATIONS[member["location"]]
    if member.get("locationName", name) != name:
        out["name"] = member["locationName"]
    if member.get("idempotencyToken"):
        out["token"] = True
    return out


def import_shape(shape, kept):
    out = {"type": shape["type"]}
    for theirs, ours in FLAGS.items():
        if shape.get(theirs):
            out[ours] = True
    for key in ("min", "max", "pattern", "enum", "payload"):
        if key in shape:
            out[key] = shape[key]
    if "error" in shape:
        out["status"] = shape["error"]["httpStatusCode"]
    if shape["type"] == "structure" and not shape.get("document"):
        if shape.get("required"):
            out["required"] = shape["required"]
        out["members"] = {name: import_member(name, m) for name, m in shape["members"].items()}
    if shape["type"] == "list":
        out["member"] = shape["member"]["shape"]
    if shape["type"] == "map":
        out["key"], out["value"] = shape["key"]["shape"], shape["value"]["shape"]
    if kept.get("lax"):
        out["lax"] = True
    return out


def references(shape):
    found = [m["shape"] for m in shape.get("members", {}).values()]
    return found + [shape[key] for key in ("member", "key", "value") if key in shape]


def reachable(shapes, roots):
    seen, todo = set(), list(roots)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(references(shapes[name]))
    return seen


def import_operation(name, op, signing, kept):
    out = {
        "operation": name,
        "method": op["http"]["method"],
        "uri": op["http"]["requestUri"],
        "status": op["http"].get("responseCode", 200),
        "action": kept.get("action", f"{signing}:{name}"),
        "resource": kept.get("resource", ""),
    }
    if "arn_types" in kept:
        out["arn_types"] = kept["arn_types"]
    for side in ("input", "output"):
        if side in op:
            out[side] = op[side]["shape"]
    out["errors"] = [e["shape"].removesuffix("Exception") for e in op.get("errors", [])]
    return out


def import_service(model, old):
    meta = model["metadata"]
    signing = meta.get("signingName", meta["endpointPrefix"])
    old_operations = {op["operation"]: op for op in old.get("operations", [])}
    operations = [import_operation(name, op, signing, old_operations.get(name, {}))
                  for name, op in sorted(model["operations"].items())]
    shapes = {name: import_shape(shape, old.get("shapes", {}).get(name, {})) for name, shape in model["shapes"].items()}
    roots = [op[side] for op in operations for side in ("input", "output") if side in op]
    roots += [name for name, shape in shapes.items() if "status" in shape]
    kept = reachable(shapes, roots)
    return {
        "service": meta["endpointPrefix"],
        "signing_name": signing,
        "protocol": meta["protocol"],
        "path_encoding": old.get("path_encoding", "twice"),
        "skew_seconds": old.get("skew_seconds", 300),
        "errors": {name.removesuffix("Exception"): shapes[name]["status"] for name in sorted(kept) if "status" in shapes[name]},
        "operations": operations,
        "shapes": {name: shapes[name] for name in sorted(kept)},
    }


def render(service):
    """One line an operation and one line a shape, so that a difference between two versions can be read."""
    lines = []
    for key, value in service.items():
        if key == "operations":
            rows = ",\n".join("    " + compact(op) for op in value)
            lines.append(f'  "operations": [\n{rows}\n  ]')
        elif key == "shapes":
            rows = ",\n".join(f"    {compact(name)}: {compact(shape)}" for name, shape in value.items())
            lines.append(f'  "shapes": {{\n{rows}\n  }}')
        else:
            lines.append(f"  {compact(key)}: {compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        model = json.load(file)
    try:
        with open(sys.argv[2], encoding="utf-8") as file:
            old = json.load(file)
    except FileNotFoundError:
        old = {}
    text = render(import_service(model, old))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Turns the data files of api/ into the C tables behind src/aws/operation.h and src/aws/shape.h.

    tools/gen_api.py OUTPUT.c api/SERVICE.json...

Fails when two operations claim the same method and path and no arn_types tells them apart. A service with "routed": false has a
door of its own, which finds its operations itself. The layout is that of src/aws/tables.h.
"""
import json
import re
import sys

PROTOCOLS = {"rest-json": "AWS_REST_JSON", "rest-xml": "AWS_REST_XML", "json": "AWS_JSON", "query": "AWS_QUERY"}
LOCATIONS = {"uri": "SHAPE_IN_URI", "query": "SHAPE_IN_QUERY", "header": "SHAPE_IN_HEADER"}
TYPES = {name: "SHAPE_" + name.upper() for name in
         ("structure", "list", "map", "string", "integer", "long", "float", "double", "boolean", "blob", "timestamp")}
MAX_LABELS = 6
POSTED = ("json", "query")  # protocols whose operations all are POST /, told apart by a header or by the body


def c_string(text):
    """A C literal of the UTF-8 bytes; octal escapes, which the next character cannot lengthen."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        out.append(char if 32 <= byte < 127 and char not in '"\\?' else f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def view(text):
    return f"VIEW_INIT({c_string(text)})"


def error_constant(name):
    return "AWS_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


class Texts:
    """One pool of bytes; a text that was added before is found again."""

    def __init__(self):
        self.parts, self.offsets, self.size = [], {}, 0

    def add(self, text):
        if text not in self.offsets:
            self.offsets[text] = self.size
            self.parts.append(text)
            self.size += len(text.encode())
        return self.offsets[text], len(text.encode())

    def literal(self, text):
        return "{ %d, %d }" % self.add(text)


class Shapes:
    """All shapes of all services, in one numbering. Number 0 is an empty structure."""

    def __init__(self, texts):
        self.texts = texts
        self.rows = ["{ SHAPE_STRUCTURE, 0, 0, 0, 0, 0, 0, 0 }"]
        self.members, self.enums, self.patterns = [], [], {}
        self.index = {}

    def add_service(self, service, shapes):
        for name in shapes:
            self.index[service, name] = len(self.index) + 1
        for name, shape in shapes.items():
            self.rows.append(self.row(service, name, shape))

    def row(self, service, name, shape):
        first = second = count = pattern = 0
        kind = "SHAPE_DOCUMENT" if shape.get("document") else TYPES[shape["type"]]
        if shape.get("union"):
            kind = "SHAPE_UNION"
        if shape["type"] == "structure":
            first, count = len(self.members), len(shape.get("members", {}))
            self.add_members(service, shape)
        elif shape["type"] == "list":
            first = self.index[service, shape["member"]]
        elif shape["type"] == "map":
            first, second = self.index[service, shape["key"]], self.index[service, shape["value"]]
        elif "enum" in shape:
            first, count = len(self.enums), len(shape["enum"])
            self.enums += [self.texts.literal(value) for value in shape["enum"]]
        if "pattern" in shape:
            pattern = self.patterns.setdefault(shape["pattern"], len(self.patterns) + 1)
        flags = [flag for key, flag in (("sensitive", "SHAPE_SENSITIVE"), ("min", "SHAPE_HAS_MIN"), ("max", "SHAPE_HAS_MAX"),
                                        ("lax", "SHAPE_LAX"), ("eventstream", "SHAPE_EVENTS"))
                 if shape.get(key) is not None and shape[key] is not False]
        return "{ %s, %s, %d, %d, %d, %d, %s, %s } /* %s */" % (
            kind, " | ".join(flags) or "0", count, first, second, pattern, shape.get("min", 0), shape.get("max", 0), name)

    def add_members(self, service, shape):
        required = shape.get("required", [])
        for name, member in shape.get("members", {}).items():
            name_at, name_len = self.texts.add(name)
            wire_at, wire_len = self.texts.add(member.get("name", name))
            self.members.append("{ %d, %d, %d, %d, %d, %s, %s, %s }" % (
                name_at, wire_at, self.index[service, member["shape"]], name_len, wire_len,
                LOCATIONS.get(member.get("in"), "SHAPE_IN_BODY"),
                "true" if name in required else "false", "true" if shape.get("payload") == name else "false"))


class Router:
    """The tree of path segments; nodes are numbered breadth first, so that edges and leaves of a node are neighbours."""

    def __init__(self):
        self.root = self.node()

    @staticmethod
    def node():
        return {"literals": {}, "label": None, "leaves": []}

    def add(self, operation, index):
        path = operation["uri"]
        slash = len(path) > 1 and path.endswith("/")
        node = self.root
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                node["label"] = node["label"] or self.node()
                node = node["label"]
            else:
                node = node["literals"].setdefault(segment, self.node())
        for other, _, other_slash in node["leaves"]:
            same = other["method"] == operation["method"] and other_slash == slash
            if same and other.get("arn_types") == operation.get("arn_types"):
                sys.exit(f"{other['operation']} and {operation['operation']} claim {operation['method']} {path}")
        # An operation that owns only some ARNs comes first: the one without a condition takes the rest.
        node["leaves"].append((operation, index, slash))
        node["leaves"].sort(key=lambda leaf: "arn_types" not in leaf[0])

    def tables(self, texts):
        order, number = [self.root], {id(self.root): 0}
        for node in order:
            for child in [*(node["literals"][key] for key in sorted(node["literals"], key=str.encode)), node["label"]]:
                if child is not None:
                    number[id(child)] = len(order)
                    order.append(child)
        nodes, edges, leaves = [], [], []
        for node in order:
            literals = sorted(node["literals"], key=str.encode)
            label = number[id(node["label"])] if node["label"] else 0
            nodes.append(f"{{ {len(edges)}, {len(literals)}, {len(leaves)}, {len(node['leaves'])}, {label} }}")
            edges += ["{ %s, %d }" % (texts.literal(key), number[id(node["literals"][key])]) for key in literals]
            leaves += ["{ %d, %s } /* %s */" % (index, "true" if slash else "false", op["operation"])
                       for op, index, slash in node["leaves"]]
        return nodes, edges, leaves


def input_body(service, operation):
    shape = service["shapes"].get(operation.get("input"), {})
    members = shape.get("members", {})
    payload = shape.get("payload")
    if payload is not None:
        target = service["shapes"][members[payload]["shape"]]
        if target.get("eventstream"):
            return "AWS_INPUT_STREAM"
        return "AWS_INPUT_BYTES" if target["type"] in ("blob", "string") else "AWS_INPUT_JSON"
    return "AWS_INPUT_JSON" if any("in" not in member for member in members.values()) else "AWS_INPUT_NONE"


def has_event_stream(service, operation):
    members = service["shapes"].get(operation.get("output"), {}).get("members", {})
    return any(service["shapes"][member["shape"]].get("eventstream") for member in members.values())


def operation_row(number, service, operation, index, shapes):
    def shape(side):
        return f"&aws_shapes[{shapes.index[service['service'], operation[side]]}]" if side in operation else "NULL"

    labels = re.findall(r"\{([^}]+)\}", operation["uri"])
    if len(labels) > MAX_LABELS:
        sys.exit(f"{operation['operation']} has more than {MAX_LABELS} labels")
    arn_types = operation.get("arn_types", [""])
    if len(arn_types) != 1:
        sys.exit(f"{operation['operation']}: one arn_types value, please")
    return "{ %s, &service_%d, %s, %s, %d, %s, %s, %s, %s, %s, %s, %s, %d, %d, { %s } }" % (
        view(operation["operation"]), number, view(operation["method"]), view(operation["uri"]), operation["status"],
        view(operation["action"]), view(operation["resource"]), view(arn_types[0]), shape("input"), shape("output"),
        input_body(service, operation), "true" if has_event_stream(service, operation) else "false", index, len(labels),
        ", ".join(view(label) for label in labels) or view(""))


def service_row(service, first):
    errors = ", ".join(f"[{error_constant(name)}] = {status}" for name, status in service["errors"].items()) or "0"
    wire = [view(service.get(key, "")) for key in ("target_prefix", "media_type", "error_prefix", "xml_namespace")]
    return "{ %s, %s, %s, %s, %d, &aws_operations[%d], %d, { %s }, %s }" % (
        view(service["service"]), view(service["signing_name"]), PROTOCOLS[service["protocol"]],
        "true" if service["path_encoding"] == "twice" else "false", service["skew_seconds"], first,
        len(service["operations"]), errors, ", ".join(wire))


def table(declaration, rows):
    return f"const {declaration}[] = {{\n" + "".join(f"    {row},\n" for row in rows) + "};\n"


def generate(services):
    texts, router = Texts(), Router()
    shapes = Shapes(texts)
    operations, firsts = [], []
    for service in services:
        shapes.add_service(service["service"], service["shapes"])
        if service["protocol"] == "query" and any("input" in operation for operation in service["operations"]):
            sys.exit(f"{service['service']}: inputs of the query protocol are not bound")
    for number, service in enumerate(services):
        firsts.append(len(operations))
        for operation in service["operations"]:
            if service["protocol"] in POSTED:
                operation.update(method="POST", uri="/", status=200)
            elif service.get("routed", True):
                router.add(operation, len(operations))
            operations.append(operation_row(number, service, operation, len(operations), shapes))
    nodes, edges, leaves = router.tables(texts)
    patterns = [texts.literal(pattern) for pattern in shapes.patterns]
    parts = ['/* Made from api/ by tools/gen_api.py. */\n#include "aws/tables.h"\n']
    parts += [f"static const struct service service_{number};\n" for number in range(len(services))]
    parts.append("const char aws_texts[] =\n" + "".join(f"    {c_string(part)}\n" for part in texts.parts) + "    ;\n")
    parts.append(table("struct shape aws_shapes", shapes.rows))
    parts.append(table("struct shape_member aws_members", shapes.members))
    parts.append(table("struct aws_text aws_enum_values", shapes.enums))
    parts.append(table("struct aws_text aws_patterns", patterns))
    parts.append(table("struct operation aws_operations", operations))
    parts.append(table("struct route_node aws_route_nodes", nodes))
    parts.append(table("struct route_edge aws_route_edges", edges))
    parts.append(table("struct route_leaf aws_route_leaves", leaves))
    for number, (service, first) in enumerate(zip(services, firsts)):
        parts.append(f"static const struct service service_{number} = {service_row(service, first)};\n")
    parts.append(table("struct service *const aws_services", [f"&service_{number}" for number in range(len(services))]))
    parts.append(f"const size_t aws_service_count = {len(services)};\n")
    parts.append(f"const size_t aws_operation_count = {len(operations)};\n")
    parts.append(f"const size_t shape_pattern_count = {len(patterns)};\n")
    return "\n".join(parts)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    services = []
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            services.append(json.load(file))
    text = generate(services)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()

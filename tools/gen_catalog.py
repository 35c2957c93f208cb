#!/usr/bin/env python3
"""tools/gen_catalog.py OUTPUT.c catalog/models.json - the C table of src/models/catalog.h. Refuses data that does not hold together."""
import json
import re
import sys

MODALITIES = {"TEXT": 1, "IMAGE": 2, "EMBEDDING": 4}
CUSTOMIZATIONS = {"FINE_TUNING": 1, "CONTINUED_PRE_TRAINING": 2, "DISTILLATION": 4}
INFERENCE = {"ON_DEMAND": 1, "PROVISIONED": 2, "INFERENCE_PROFILE": 4}
DEFAULTS = {"in": "TEXT", "out": "TEXT", "context": 0, "max_output": 0, "dimensions": 0, "streaming": True, "legacy": False,
            "custom": "", "inference": "ON_DEMAND"}
KEYS = {"id", "name", "provider", "family", *DEFAULTS}


def bits(names, table, where):
    total = 0
    for name in names.split():
        if name not in table:
            sys.exit(f"{where}: {name} is none of {', '.join(table)}")
        total |= table[name]
    return total


def rows(catalog):
    """Every model with what its group says; exact ids first, so that a pattern never wins over one."""
    models = [{**DEFAULTS, **{k: v for k, v in group.items() if k != "models"}, **model}
              for group in catalog["groups"] for model in group["models"]]
    seen = set()
    for model in models:
        where = model["id"]
        if set(model) - KEYS:
            sys.exit(f"{where}: unknown members {set(model) - KEYS}")
        if where in seen:
            sys.exit(f"{where}: twice")
        seen.add(where)
        model["pattern"] = bool(re.search(r"[#*]", where))
        if not re.fullmatch(r"[a-z0-9]+\.[a-z0-9.#*-]+(:[0-9#]+)?", where):
            sys.exit(f"{where}: not a model id")
        if len(model["name"]) > 20 or len(model["provider"]) > 20:
            sys.exit(f"{where}: names have at most 20 characters")
        if model["out"] == "EMBEDDING":
            model["streaming"] = False
            if model["family"] and not model["dimensions"]:
                sys.exit(f"{where}: an embedding model promises dimensions")
    return sorted(models, key=lambda model: (model["pattern"], model["provider"], -len(model["id"]) if model["pattern"] else 0))


def entry(model):
    def text(value):
        return f'VIEW_INIT("{value}")'

    def flag(value):
        return "true" if value else "false"

    where = model["id"]
    return (f'    {{ {text(where)}, {flag(model["pattern"])}, {text(model["name"])}, {text(model["provider"])}, {text(model["family"])},\n'
            f'      {bits(model["in"], MODALITIES, where)}, {bits(model["out"], MODALITIES, where)}, {model["context"]}, '
            f'{model["max_output"]}, {model["dimensions"]}, {flag(model["streaming"])}, {flag(model["legacy"])}, '
            f'{bits(model["custom"], CUSTOMIZATIONS, where)}, {bits(model["inference"], INFERENCE, where)} }},\n')


def main():
    output, source = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        models = rows(json.load(file))
    with open(output, "w", encoding="utf-8") as out:
        out.write("/* Made from catalog/models.json by tools/gen_catalog.py. */\n#include \"models/catalog.h\"\n\n"
                  "const struct catalog_entry catalog_entries[] = {\n")
        out.writelines(entry(model) for model in models)
        out.write("};\nconst size_t catalog_entry_count = sizeof(catalog_entries) / sizeof(catalog_entries[0]);\n")


if __name__ == "__main__":
    main()

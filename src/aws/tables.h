/* aws/tables.h - the layout of what tools/gen_api.py writes. For src/aws alone; everybody else uses operation.h and shape.h.
 *
 * Routing is a tree of path segments. A node has edges for literal segments, at most one child for a label, and leaves: one for
 * each operation whose path ends there.
 */
#ifndef CRATON_AWS_TABLES_H
#define CRATON_AWS_TABLES_H

#include "aws/operation.h"
#include "aws/shape.h"

struct aws_text {
    uint32_t at;                                            /* into aws_texts */
    uint16_t len;
};

struct route_edge {
    struct aws_text literal;
    uint16_t node;
};

struct route_leaf {
    uint16_t operation;
    bool trailing_slash;
};

struct route_node {
    uint16_t first_edge, edge_count;
    uint16_t first_leaf, leaf_count;
    uint16_t label_node;                                    /* 0: no child for a label (the root is nobody's child) */
};

extern const char aws_texts[];
extern const struct operation aws_operations[];
extern const struct shape aws_shapes[];
extern const struct shape_member aws_members[];
extern const struct aws_text aws_enum_values[];
extern const struct aws_text aws_patterns[];
extern const struct route_node aws_route_nodes[];
extern const struct route_edge aws_route_edges[];
extern const struct route_leaf aws_route_leaves[];

static inline struct view aws_text(struct aws_text text)
{
    return (struct view){ aws_texts + text.at, text.len };
}

#endif

/* Routing walks the tree of route_node, literal segments before labels, and comes back for a label where the literal leads to no
 * operation of the wanted method. Depth is bounded by the tree's, so a long path costs no more than a short one. */
#include "aws/tables.h"

#include "aws/arn.h"

struct walk {
    struct view method;
    struct view rest;                                       /* what follows the segments that were eaten */
    bool trailing_slash;
    struct view labels[AWS_MAX_LABELS];
    size_t label_count;
};

const struct operation *aws_operation_at(size_t index)
{
    return &aws_operations[index];
}

/* "bedrock:TagResource" in its parts; the service is empty where the name has none. */
static struct view split_name(struct view *name)
{
    struct view rest = *name, service = view_split(&rest, ':');
    if (rest.ptr == NULL)
        return VIEW("");
    *name = rest;
    return service;
}

const struct operation *aws_operation_find(struct view name)
{
    struct view service = split_name(&name);
    for (size_t i = 0; i < aws_operation_count; i++) {
        const struct operation *operation = &aws_operations[i];
        if (view_eq(operation->name, name) && (service.len == 0 || view_eq(operation->service->name, service)))
            return operation;
    }
    return NULL;
}

const struct operation *aws_service_operation(const struct service *service, struct view name)
{
    for (size_t i = 0; i < service->operation_count; i++) {
        if (view_eq(service->operations[i].name, name))
            return &service->operations[i];
    }
    return NULL;
}

static const struct route_node *literal_child(const struct route_node *node, struct view segment)
{
    size_t low = node->first_edge, high = low + node->edge_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = view_compare(segment, aws_text(aws_route_edges[middle].literal));
        if (order == 0)
            return &aws_route_nodes[aws_route_edges[middle].node];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* /tags/{resourceArn} stands in two services: an operation with arn_type takes the ARNs of that resource type only. */
static bool owns_labels(const struct operation *operation, const struct walk *walk)
{
    if (operation->arn_type.len == 0)
        return true;
    return walk->label_count > 0 && view_eq(arn_encoded_resource_type(walk->labels[0]), operation->arn_type);
}

static const struct operation *leaf_of(const struct route_node *node, const struct walk *walk)
{
    for (size_t i = 0; i < node->leaf_count; i++) {
        const struct route_leaf *leaf = &aws_route_leaves[node->first_leaf + i];
        const struct operation *operation = &aws_operations[leaf->operation];
        if (leaf->trailing_slash == walk->trailing_slash && view_eq(operation->method, walk->method) &&
            owns_labels(operation, walk))
            return operation;
    }
    return NULL;
}

static const struct operation *descend(const struct route_node *node, struct walk *walk)
{
    if (walk->rest.ptr == NULL)
        return leaf_of(node, walk);

    struct view before = walk->rest;
    struct view segment = view_split(&walk->rest, '/');
    const struct route_node *literal = literal_child(node, segment);
    const struct operation *found = literal != NULL ? descend(literal, walk) : NULL;
    if (found == NULL && node->label_node != 0 && segment.len > 0 && walk->label_count < AWS_MAX_LABELS) {
        walk->labels[walk->label_count++] = segment;
        found = descend(&aws_route_nodes[node->label_node], walk);
        if (found == NULL)
            walk->label_count--;
    }
    if (found == NULL)
        walk->rest = before;
    return found;
}

static const struct operation *find(struct walk *walk, struct view segments, bool trailing_slash)
{
    walk->rest = segments;
    walk->trailing_slash = trailing_slash;
    walk->label_count = 0;
    return descend(&aws_route_nodes[0], walk);
}

bool aws_route(struct view method, struct view path, struct route *route)
{
    if (path.len < 2 || path.ptr[0] != '/')
        return false;
    bool slash = path.ptr[path.len - 1] == '/';
    struct view segments = { path.ptr + 1, path.len - 1 - (slash ? 1 : 0) };
    struct walk walk = { .method = method };
    const struct operation *found = find(&walk, segments, slash);
    if (found == NULL)
        found = find(&walk, segments, !slash);
    if (found == NULL)
        return false;
    route->operation = found;
    memcpy(route->labels, walk.labels, sizeof walk.labels);
    return true;
}

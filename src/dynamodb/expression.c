/* dynamodb/expression.c - the parser.
 *
 *     condition  = conjunct  { OR conjunct }
 *     conjunct   = negation  { AND negation }
 *     negation   = { NOT } ( "(" condition ")" | function | operand comparison )
 *     comparison = op operand | BETWEEN operand AND operand | IN "(" operand { "," operand } ")"
 *     operand    = path | :value | size "(" path ")"
 *     path       = name { "." name | "[" number "]" }
 */
#include "dynamodb/expression.h"

#define SIZE_LIMIT    4096                                  /* bytes of an expression */
#define DEPTH_LIMIT   64                                    /* parentheses and NOT */
#define STEPS_LIMIT   32
#define IN_LIMIT      100
#define TOLD_MAX      8                                     /* unused names that a message lists */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_HASH_NAME,
    TOKEN_VALUE,
    TOKEN_NUMBER,
    TOKEN_OPERATOR,                                         /* = <> < <= > >= */
    TOKEN_SIGN,                                             /* ( ) [ ] . , */
    TOKEN_BAD,
};

struct token {
    enum token_kind kind;
    struct view text;
};

struct parser {
    struct expressions *x;
    const char *parameter;
    struct view all, rest;                                  /* rest: after token */
    struct token before, token;
    unsigned depth, operators;
};

/* ---- telling what is wrong ---- */

__attribute__((format(printf, 2, 3)))
static void *wrong(struct parser *p, const char *format, ...)
{
    va_list args;
    if (p->x->problem != NULL)
        return NULL;
    va_start(args, format);
    const char *text = arena_vprintf(p->x->arena, format, args);
    va_end(args);
    p->x->problem = text != NULL ? arena_printf(p->x->arena, "Invalid %s: %s", p->parameter, text) : NULL;
    if (p->x->problem == NULL)
        p->x->problem = "The server is out of memory.";
    return NULL;
}

/* ---- tokens ---- */

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_word(char byte)
{
    return is_letter(byte) || (byte >= '0' && byte <= '9');
}

static size_t word_length(struct view text, size_t from)
{
    size_t len = from;
    while (len < text.len && is_word(text.ptr[len]))
        len++;
    return len;
}

static struct token scan(struct view text)
{
    char first = text.len > 0 ? text.ptr[0] : '\0', second = text.len > 1 ? text.ptr[1] : '\0';
    if (text.len == 0)
        return (struct token){ TOKEN_END, VIEW("<EOF>") };
    if (is_letter(first))
        return (struct token){ TOKEN_NAME, view_first(text, word_length(text, 0)) };
    if (first >= '0' && first <= '9')
        return (struct token){ TOKEN_NUMBER, view_first(text, word_length(text, 0)) };
    if ((first == '#' || first == ':') && is_word(second))
        return (struct token){ first == '#' ? TOKEN_HASH_NAME : TOKEN_VALUE, view_first(text, word_length(text, 1)) };
    if (first == '<' && (second == '>' || second == '='))
        return (struct token){ TOKEN_OPERATOR, view_first(text, 2) };
    if (first == '>' && second == '=')
        return (struct token){ TOKEN_OPERATOR, view_first(text, 2) };
    if (first == '=' || first == '<' || first == '>')
        return (struct token){ TOKEN_OPERATOR, view_first(text, 1) };
    bool sign = strchr("()[].,", first) != NULL && first != '\0';
    return (struct token){ sign ? TOKEN_SIGN : TOKEN_BAD, view_first(text, 1) };
}

static struct view skip_blanks(struct view text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t' || text.ptr[0] == '\n' || text.ptr[0] == '\r'))
        text = view_from(text, 1);
    return text;
}

static void step(struct parser *p)
{
    p->before = p->token;
    p->rest = skip_blanks(p->rest);
    p->token = scan(p->rest);
    if (p->token.kind != TOKEN_END)
        p->rest = view_from(p->rest, p->token.text.len);
}

/* The token with its neighbours, as they stand in the expression. */
static void *unexpected(struct parser *p)
{
    struct token next = p->token.kind != TOKEN_END ? scan(skip_blanks(p->rest)) : p->token;
    bool first = p->before.text.ptr == NULL;
    const char *from = !first ? p->before.text.ptr : p->token.kind != TOKEN_END ? p->token.text.ptr : p->all.ptr;
    const char *to = next.kind != TOKEN_END ? next.text.ptr + next.text.len : p->all.ptr + p->all.len;
    return wrong(p, "Syntax error; token: \"" VIEW_FMT "\", near: \"" VIEW_FMT "\"", VIEW_ARG(p->token.text),
                 VIEW_ARG(view_of(from, (size_t)(to - from))));
}

static bool at_sign(const struct parser *p, char sign)
{
    return p->token.kind == TOKEN_SIGN && p->token.text.ptr[0] == sign;
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_NAME && view_eq_nocase(p->token.text, view_from_cstr(word));
}

static bool take_sign(struct parser *p, char sign)
{
    if (!at_sign(p, sign)) {
        unexpected(p);
        return false;
    }
    step(p);
    return true;
}

/* ---- names and values ---- */

static bool was_used(const struct substitute *used, struct view name)
{
    while (used != NULL && !view_eq(used->name, name))
        used = used->next;
    return used != NULL;
}

static void note_use(struct arena *arena, const struct substitute **used, size_t *count, struct view name)
{
    if (was_used(*used, name))
        return;
    struct substitute *fresh = ARENA_NEW(arena, struct substitute);
    if (fresh == NULL)
        return;
    *fresh = (struct substitute){ name, *used };
    *used = fresh;
    ++*count;
}

static bool read_name(struct parser *p, struct view *name)
{
    struct expressions *x = p->x;
    if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_HASH_NAME) {
        unexpected(p);
        return false;
    }
    *name = p->token.text;
    if (p->token.kind == TOKEN_HASH_NAME) {
        const struct json *stands_for = json_get_view(x->names, *name);
        if (!json_is(stands_for, JSON_STRING)) {
            wrong(p, "An expression attribute name used in the document path is not defined; attribute name: " VIEW_FMT, VIEW_ARG(*name));
            return false;
        }
        note_use(x->arena, &x->used_names, &x->used_name_count, *name);
        *name = json_string(stands_for);
    }
    step(p);
    return true;
}

static bool read_value(struct parser *p, struct value *out)
{
    struct expressions *x = p->x;
    const struct json *wrapped = json_get_view(x->values, p->token.text);
    if (wrapped == NULL) {
        wrong(p, "An expression attribute value used in expression is not defined; attribute value: " VIEW_FMT, VIEW_ARG(p->token.text));
        return false;
    }
    note_use(x->arena, &x->used_values, &x->used_value_count, p->token.text);
    *out = value_of(wrapped);
    step(p);
    return true;
}

static bool read_index(struct parser *p, struct path_step *out)
{
    uint64_t index;
    step(p);
    if (p->token.kind != TOKEN_NUMBER || !view_to_u64(p->token.text, &index)) {
        unexpected(p);
        return false;
    }
    out->index = (size_t)index;
    step(p);
    return take_sign(p, ']');
}

static bool read_path(struct parser *p, struct path *out)
{
    struct path_step steps[STEPS_LIMIT] = { { .index = 0 } };
    size_t count = 1;
    if (!read_name(p, &steps[0].name))
        return false;
    while (at_sign(p, '.') || at_sign(p, '[')) {
        if (count == STEPS_LIMIT) {
            wrong(p, "The document path has too many nesting elements; nesting levels: %d", STEPS_LIMIT + 1);
            return false;
        }
        bool element = at_sign(p, '[');
        if (!element)
            step(p);
        if (!(element ? read_index(p, &steps[count]) : read_name(p, &steps[count].name)))
            return false;
        count++;
    }
    out->count = count;
    out->steps = ARENA_ARRAY(p->x->arena, struct path_step, count);
    if (out->steps == NULL)
        return wrong(p, "out of memory") != NULL;
    memcpy(out->steps, steps, count * sizeof steps[0]);
    return true;
}

/* ---- operands ---- */

static bool followed_by_parenthesis(const struct parser *p)
{
    struct view rest = skip_blanks(p->rest);
    return rest.len > 0 && rest.ptr[0] == '(';
}

static bool count_operator(struct parser *p)
{
    if (++p->operators > EXPRESSION_OPERATORS_MAX) {
        wrong(p, "The expression contains more than %d operators", EXPRESSION_OPERATORS_MAX);
        return false;
    }
    return true;
}

static bool read_operand(struct parser *p, struct operand *out)
{
    *out = (struct operand){ .kind = OPERAND_PATH };
    if (p->token.kind == TOKEN_VALUE) {
        out->kind = OPERAND_VALUE;
        return read_value(p, &out->value);
    }
    if (p->token.kind == TOKEN_NAME && followed_by_parenthesis(p)) {
        if (!view_is(p->token.text, "size")) {
            wrong(p, "Invalid function name; function: " VIEW_FMT, VIEW_ARG(p->token.text));
            return false;
        }
        step(p);
        out->kind = OPERAND_SIZE;
        return count_operator(p) && take_sign(p, '(') && read_path(p, &out->path) && take_sign(p, ')');
    }
    return read_path(p, &out->path);
}

static const struct condition *make(struct parser *p, enum condition_kind kind, const struct operand *operands, size_t count)
{
    struct condition *made = ARENA_NEW(p->x->arena, struct condition);
    struct operand *kept = ARENA_ARRAY(p->x->arena, struct operand, count > 0 ? count : 1);
    if (made == NULL || kept == NULL)
        return wrong(p, "out of memory");
    memcpy(kept, operands, count * sizeof *kept);
    *made = (struct condition){ .kind = kind, .operands = kept, .count = count };
    return made;
}

/* ---- functions ---- */

struct function {
    const char *name;
    enum condition_kind kind;
    size_t operands;
};

static const struct function functions[] = {
    { "attribute_exists", CONDITION_EXISTS, 1 }, { "attribute_not_exists", CONDITION_NOT_EXISTS, 1 },
    { "attribute_type", CONDITION_TYPE, 2 },     { "begins_with", CONDITION_BEGINS_WITH, 2 },
    { "contains", CONDITION_CONTAINS, 2 },
};

static const struct function *function_named(struct view name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (view_is(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

static bool is_type_name(struct value value)
{
    for (int type = VALUE_STRING; type <= VALUE_BINARY_SET; type++) {
        if (view_is(value_text(value), value_type_name((enum value_type)type)))
            return true;
    }
    return false;
}

/* The first operand is a path; what the second may be depends on the function. */
static bool operands_fit(struct parser *p, const struct function *function, const struct operand *operands)
{
    const struct operand *second = &operands[1];
    if (operands[0].kind != OPERAND_PATH) {
        bool existence = function->operands == 1;
        if (existence || operands[0].kind == OPERAND_SIZE)
            return wrong(p, "Operator or function requires a document path; operator or function: %s", function->name) != NULL;
    }
    if (function->kind == CONDITION_TYPE && (second->kind != OPERAND_VALUE || second->value.type != VALUE_STRING))
        return wrong(p, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", function->name,
                     second->kind == OPERAND_VALUE ? value_type_name(second->value.type) : "{path}") != NULL;
    if (function->kind == CONDITION_TYPE && !is_type_name(second->value))
        return wrong(p, "Invalid attribute type name found; type: " VIEW_FMT ", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
                     VIEW_ARG(value_text(second->value))) != NULL;
    if (function->kind == CONDITION_BEGINS_WITH && second->kind == OPERAND_VALUE && second->value.type != VALUE_STRING &&
        second->value.type != VALUE_BINARY)
        return wrong(p, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", function->name,
                     value_type_name(second->value.type)) != NULL;
    return true;
}

static const struct condition *read_function(struct parser *p)
{
    const struct function *function = function_named(p->token.text);
    struct operand operands[IN_LIMIT];
    size_t count = 0;
    if (function == NULL)
        return wrong(p, "Invalid function name; function: " VIEW_FMT, VIEW_ARG(p->token.text));
    step(p);
    if (!count_operator(p) || !take_sign(p, '('))
        return NULL;
    do {
        if (count > 0)
            step(p);
        if (count == IN_LIMIT || !read_operand(p, &operands[count++]))
            return unexpected(p);
    } while (at_sign(p, ','));
    if (!take_sign(p, ')'))
        return NULL;
    if (count != function->operands)
        return wrong(p, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %zu",
                     function->name, count);
    return operands_fit(p, function, operands) ? make(p, function->kind, operands, count) : NULL;
}

/* ---- comparisons ---- */

static enum condition_kind comparison_named(struct view sign)
{
    static const struct {
        const char *sign;
        enum condition_kind kind;
    } signs[] = {
        { "=", CONDITION_EQUAL },    { "<>", CONDITION_NOT_EQUAL }, { "<", CONDITION_LESS },
        { "<=", CONDITION_AT_MOST }, { ">", CONDITION_GREATER },    { ">=", CONDITION_AT_LEAST },
    };
    size_t i = 0;
    while (!view_is(sign, signs[i].sign))
        i++;
    return signs[i].kind;
}

static bool has_order(struct value value)
{
    return value.type == VALUE_STRING || value.type == VALUE_NUMBER || value.type == VALUE_BINARY;
}

static const struct condition *read_order(struct parser *p, struct operand *operands)
{
    struct view sign = p->token.text;
    enum condition_kind kind = comparison_named(sign);
    step(p);
    if (!count_operator(p) || !read_operand(p, &operands[1]))
        return NULL;
    for (int i = 0; i < 2 && kind >= CONDITION_LESS; i++) {
        if (operands[i].kind == OPERAND_VALUE && !has_order(operands[i].value))
            return wrong(p, "Incorrect operand type for operator or function; operator or function: " VIEW_FMT ", operand type: %s",
                         VIEW_ARG(sign), value_type_name(operands[i].value.type));
    }
    return make(p, kind, operands, 2);
}

static bool between_fits(struct parser *p, const struct operand *low, const struct operand *high)
{
    int order;
    if (low->kind != OPERAND_VALUE || high->kind != OPERAND_VALUE)
        return true;
    if (low->value.type != high->value.type)
        return wrong(p, "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: "
                        "AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}",
                     value_type_name(low->value.type), value_type_name(high->value.type)) != NULL;
    if (value_compare(low->value, high->value, &order) && order > 0)
        return wrong(p, "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: "
                     "AttributeValue: {%s:" VIEW_FMT "}, upper bound operand: AttributeValue: {%s:" VIEW_FMT "}",
                     value_type_name(low->value.type), VIEW_ARG(value_text(low->value)), value_type_name(high->value.type),
                     VIEW_ARG(value_text(high->value))) != NULL;
    return true;
}

static const struct condition *read_between(struct parser *p, struct operand *operands)
{
    step(p);
    if (!count_operator(p) || !read_operand(p, &operands[1]))
        return NULL;
    if (!at_word(p, "AND"))
        return unexpected(p);
    step(p);
    if (!read_operand(p, &operands[2]) || !between_fits(p, &operands[1], &operands[2]))
        return NULL;
    return make(p, CONDITION_BETWEEN, operands, 3);
}

static const struct condition *read_in(struct parser *p, struct operand *operands)
{
    size_t count = 1;
    step(p);
    if (!count_operator(p) || !take_sign(p, '('))
        return NULL;
    do {
        if (count > 1)
            step(p);
        if (count == IN_LIMIT + 1)
            return wrong(p, "Too many operands for operator or function; operator or function: IN, number of operands: %zu", count);
        if (!read_operand(p, &operands[count++]))
            return NULL;
    } while (at_sign(p, ','));
    return take_sign(p, ')') ? make(p, CONDITION_IN, operands, count) : NULL;
}

static const struct condition *read_comparison(struct parser *p)
{
    struct operand operands[IN_LIMIT + 1];
    if (!read_operand(p, &operands[0]))
        return NULL;
    if (p->token.kind == TOKEN_OPERATOR)
        return read_order(p, operands);
    if (at_word(p, "BETWEEN"))
        return read_between(p, operands);
    if (at_word(p, "IN"))
        return read_in(p, operands);
    return unexpected(p);
}

/* ---- logic ---- */

static const struct condition *read_condition(struct parser *p);

static const struct condition *join(struct parser *p, enum condition_kind kind, const struct condition *left, const struct condition *right)
{
    struct condition *made = ARENA_NEW(p->x->arena, struct condition);
    if (made == NULL)
        return wrong(p, "out of memory");
    *made = (struct condition){ .kind = kind, .left = left, .right = right };
    return made;
}

static const struct condition *read_primary(struct parser *p)
{
    if (at_sign(p, '(')) {
        step(p);
        const struct condition *inner = read_condition(p);
        return inner != NULL && take_sign(p, ')') ? inner : NULL;
    }
    bool function = p->token.kind == TOKEN_NAME && followed_by_parenthesis(p) && !view_is(p->token.text, "size");
    return function ? read_function(p) : read_comparison(p);
}

static const struct condition *read_negation(struct parser *p)
{
    bool negated = false;
    for (; at_word(p, "NOT"); step(p)) {
        negated = !negated;
        if (!count_operator(p))
            return NULL;
    }
    const struct condition *inner = read_primary(p);
    return inner != NULL && negated ? join(p, CONDITION_NOT, inner, NULL) : inner;
}

static const struct condition *read_conjunct(struct parser *p)
{
    const struct condition *left = read_negation(p);
    while (left != NULL && at_word(p, "AND")) {
        step(p);
        const struct condition *right = count_operator(p) ? read_negation(p) : NULL;
        left = right != NULL ? join(p, CONDITION_AND, left, right) : NULL;
    }
    return left;
}

static const struct condition *read_condition(struct parser *p)
{
    if (++p->depth > DEPTH_LIMIT)
        return wrong(p, "The expression is nested too deeply; the limit is %d", DEPTH_LIMIT);
    const struct condition *left = read_conjunct(p);
    while (left != NULL && at_word(p, "OR")) {
        step(p);
        const struct condition *right = count_operator(p) ? read_conjunct(p) : NULL;
        left = right != NULL ? join(p, CONDITION_OR, left, right) : NULL;
    }
    p->depth--;
    return left;
}

/* ---- the whole ---- */

static bool begin(struct parser *p, struct expressions *x, const char *parameter, struct view text)
{
    *p = (struct parser){ .x = x, .parameter = parameter, .all = text, .rest = text };
    if (text.len > SIZE_LIMIT)
        return wrong(p, "Expression size has exceeded the maximum allowed size; expression size: %zu", text.len) != NULL;
    step(p);
    p->before = (struct token){ .kind = TOKEN_END };
    return p->token.kind != TOKEN_END || wrong(p, "The expression can not be empty;") != NULL;
}

const struct condition *condition_parse(struct expressions *x, const char *parameter, struct view text)
{
    struct parser p;
    const struct condition *condition = begin(&p, x, parameter, text) ? read_condition(&p) : NULL;
    return condition != NULL && p.token.kind != TOKEN_END ? unexpected(&p) : condition;
}

static bool overlap(const struct path *a, const struct path *b)
{
    size_t shorter = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < shorter; i++) {
        const struct path_step *x = &a->steps[i], *y = &b->steps[i];
        if ((x->name.ptr == NULL) != (y->name.ptr == NULL) || !view_eq(x->name, y->name) || x->index != y->index)
            return false;
    }
    return true;
}

static bool read_projected(struct parser *p, struct path *paths, size_t count)
{
    if (!read_path(p, &paths[count]))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (overlap(&paths[i], &paths[count]))
            return wrong(p, "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [" VIEW_FMT
                         "], path two: [" VIEW_FMT "]", VIEW_ARG(paths[i].steps[0].name), VIEW_ARG(paths[count].steps[0].name)) != NULL;
    }
    return true;
}

const struct projection *projection_parse(struct expressions *x, const char *parameter, struct view text)
{
    struct parser p;
    struct path paths[EXPRESSION_OPERATORS_MAX];
    size_t count = 0;
    if (!begin(&p, x, parameter, text))
        return NULL;
    do {
        if (count > 0)
            step(&p);
        if (count == EXPRESSION_OPERATORS_MAX)
            return wrong(&p, "The expression contains more than %d paths", EXPRESSION_OPERATORS_MAX);
        if (!read_projected(&p, paths, count))
            return NULL;
        count++;
    } while (at_sign(&p, ','));
    if (p.token.kind != TOKEN_END)
        return unexpected(&p);
    struct projection *projection = ARENA_NEW(x->arena, struct projection);
    struct path *kept = ARENA_ARRAY(x->arena, struct path, count);
    if (projection == NULL || kept == NULL)
        return wrong(&p, "out of memory");
    memcpy(kept, paths, count * sizeof *kept);
    *projection = (struct projection){ kept, count };
    return projection;
}

static bool is_placeholder(struct view name, char sign)
{
    return name.len > 1 && name.ptr[0] == sign && word_length(name, 1) == name.len;
}

static bool complain(struct expressions *x, const char *problem)
{
    if (x->problem == NULL)
        x->problem = problem != NULL ? problem : "The server is out of memory.";
    return false;
}

bool expressions_check(struct expressions *x)
{
    for (struct json_iter it = json_iter(x->names); json_next(&it);) {
        if (!is_placeholder(it.key, '#'))
            return complain(x, arena_printf(x->arena, "ExpressionAttributeNames contains invalid key: Syntax error; key: \"" VIEW_FMT "\"",
                                            VIEW_ARG(it.key)));
    }
    for (struct json_iter it = json_iter(x->values); json_next(&it);) {
        const char *problem = value_problem(it.value, x->arena);
        if (!is_placeholder(it.key, ':'))
            return complain(x, arena_printf(x->arena, "ExpressionAttributeValues contains invalid key: Syntax error; key: \"" VIEW_FMT "\"",
                                            VIEW_ARG(it.key)));
        if (problem != NULL)
            return complain(x, arena_printf(x->arena, "ExpressionAttributeValues contains invalid value: %s for key " VIEW_FMT, problem,
                                            VIEW_ARG(it.key)));
    }
    return true;
}

static bool all_used(struct expressions *x, const char *parameter, const struct json *given, const struct substitute *used, size_t count)
{
    struct buf list = BUF_INIT(4096);
    size_t told = 0;
    if (json_size(given) == count)
        return true;
    for (struct json_iter it = json_iter(given); told < TOLD_MAX && json_next(&it);) {
        if (was_used(used, it.key))
            continue;
        buf_printf(&list, told++ > 0 ? ", " VIEW_FMT : VIEW_FMT, VIEW_ARG(view_first(it.key, 64)));
    }
    complain(x, arena_printf(x->arena, "Value provided in %s unused in expressions: keys: {" VIEW_FMT "}", parameter,
                             VIEW_ARG(buf_view(&list))));
    buf_free(&list);
    return false;
}

bool expressions_settled(struct expressions *x)
{
    return all_used(x, "ExpressionAttributeNames", x->names, x->used_names, x->used_name_count) &&
           all_used(x, "ExpressionAttributeValues", x->values, x->used_values, x->used_value_count);
}

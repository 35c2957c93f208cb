/* runtime/converse_content.h - messages and content blocks of Converse as neutral chat messages. For converse_parse.c alone. */
#ifndef CRATON_RUNTIME_CONVERSE_CONTENT_H
#define CRATON_RUNTIME_CONVERSE_CONTENT_H

#include "runtime/converse_parse.h"

struct converse_parser {
    const struct converse_input *input;
    struct arena *arena;
    struct generate_request *out;
    bool saw_tool_blocks;                                   /* toolUse or toolResult occurs: toolConfig is needed */
};

/* Writes the message and is false, for the reader and the compiler to see, so that `return converse_refuse(…)` reads well. */
#define converse_refuse(parser, ...) (converse_tell((parser), __VA_ARGS__), false)
void converse_tell(struct converse_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* system and messages of the body into out->messages; a closing assistant message becomes out->assistant_prefix. */
bool converse_messages(struct converse_parser *parser);

#endif
